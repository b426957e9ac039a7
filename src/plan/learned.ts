/** Memory of learned rewards: each judges every completion of the planned step, on a model that only counts bytes. */

import { openConfig, withoutLanguageHead } from '../checkpoint/hf_folder.ts'
import type { Config } from '../config/schema.ts'
import type { Prompt } from '../core/types.ts'
import { Model, type ModelPlace } from '../native/model.ts'
import { packGroups } from '../rollout/pack.ts'
import { extend } from '../trainer/continuations.ts'
import { kindOf, usesHead } from '../trainer/learned_reward.ts'
import type { Judgement, Meter } from './meter.ts'

export interface PlannedReward {
  readonly model: Model
  /** What its pass computes. */
  readonly reads: Judgement
}

/** @throws InputError for a folder without a config.json that is known here. */
export async function openPlannedRewards(
  { rewards, algorithm, model }: Config,
  place: ModelPlace,
): Promise<PlannedReward[]> {
  const out: PlannedReward[] = []
  if (algorithm.trainer === 'sft') return out
  for (const reward of rewards) {
    if (!('path' in reward)) continue
    const { config, spec } = await openConfig(reward.path ?? model.path)
    const hasHead = reward.name === 'learned' && usesHead(kindOf(reward.kind, config))
    const reads = hasHead ? 'hidden' : reward.name === 'learned' ? 'logp' : { generates: reward.maxNewTokens }
    out.push({ model: await Model.create(hasHead ? withoutLanguageHead(spec) : spec, place), reads })
  }
  return out
}

/**
 * Runs one judgement of the step: every prompt with a completion of full length behind it, `groupSize` times. Templates of
 * reward models are not applied: a prompt counts as long as it is for the policy.
 */
export async function judgePlanned(
  rewards: readonly PlannedReward[],
  prompts: readonly Prompt[],
  { rollout, train }: Config,
  meter: Meter,
): Promise<void> {
  for (const { model, reads } of rewards) {
    const { vision } = model.spec
    const patchDim = typeof reads === 'string' ? (vision?.patchDim ?? null) : null
    const read = prompts.map((prompt) => conversationOf(prompt, rollout.maxNewTokens, patchDim))
    const groups = read.flatMap((prompt) =>
      Array.from({ length: rollout.groupSize }, () => ({ prompt, completions: [Int32Array.of(0)] })),
    )
    const options = { tokenBudget: train.tokensPerMicroBatch, temperature: 1, merge: vision?.merge ?? 1 }
    if (typeof reads !== 'string') await meter.answer(model, groups, reads.generates)
    else for (const { pack, head } of packGroups(groups, options)) await meter.judge(model, reads, pack, head)
  }
}

/** Token ids do not matter, but their number and the images do. */
function conversationOf(prompt: Prompt, added: number, patchDim: number | null): Prompt {
  const whole = extend(prompt, new Int32Array(added))
  // Planned images have no patches; those of another patch size are not what this model would see.
  const fits = ({ grid, patches }: Prompt['images'][number]) =>
    patches.length === 0 || patches.length === (patchDim ?? 0) * size(grid)
  const sees = patchDim !== null && prompt.images.every(fits)
  const tokens = new Int32Array(whole.tokens.length)
  return sees ? { ...whole, tokens } : { ...whole, tokens, images: [], imageRows: new Int32Array() }
}

const size = (grid: readonly number[]) => grid.reduce((product, n) => product * n, 1)
