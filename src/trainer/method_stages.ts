/** The methods of a run at work in one step: groups as methods see them, and what they say put into effect. */

import { createRandom } from '../core/random.ts'
import type { Group, Prompt, Row } from '../core/types.ts'
import type { ComposedStages, SampleGroup, Stage } from '../methods/index.ts'
import type { ChangeImage } from '../text/index.ts'

export interface MethodStages {
  readonly stages: ComposedStages
  readonly stage: Stage
  /** The row's prompt with changed images. */
  render(row: Row, change: ChangeImage): Promise<Prompt>
  /** Text -> token ids, without special tokens of its own. */
  encode(text: string): number[]
}

/** Where a step is, for methods. Random numbers follow from the run's seed and the step. */
export function stageOf(place: Omit<Stage, 'random'>, seed: number): Stage {
  return { ...place, random: (...keys) => createRandom(seed, place.step, ...keys) }
}

export function toSampleGroup({ prompt, completions, rewards, rewardParts, tags, continued }: Group): SampleGroup {
  return {
    row: prompt.row,
    samples: completions.map(({ text, tokens, finish }, i) => ({
      ...{ text, tokens: tokens.length, finish, tag: tags?.[i] ?? '', reward: rewards[i] ?? null },
      continued: continued?.[i] ?? false,
      parts: Object.fromEntries(Object.entries(rewardParts).map(([name, all]) => [name, all[i] ?? null])),
    })),
  }
}

/** Adds what methods say about the rewards, each under its own name. */
export function shapeByMethods(groups: readonly Group[], { stages, stage }: MethodStages): Group[] {
  const additions = stages.shape(groups.map(toSampleGroup), stage)
  if (additions.length === 0) return [...groups]
  return groups.map((group, g) => {
    const rewardParts = { ...group.rewardParts }
    for (const { name, values } of additions) rewardParts[name] = values[g]!
    const rewards = group.rewards.map((reward, i) =>
      reward === null ? null : additions.reduce((sum, { values }) => sum + values[g]![i]!, reward),
    )
    return { ...group, rewards, rewardParts }
  })
}

/** The groups that methods leave to train on. */
export function filterByMethods(groups: readonly Group[], { stages, stage }: MethodStages): Group[] {
  const keeps = stages.keeps(groups.map(toSampleGroup), stage)
  return groups.filter((_, g) => keeps[g])
}
