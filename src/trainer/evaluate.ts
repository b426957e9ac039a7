/** Greedy evaluation on held-out rows. */

import type { Group, ProcessedImage, Prompt } from '../core/types.ts'
import { type CollectOptions, collect } from '../rollout/collect.ts'
import { judge } from '../rollout/judge.ts'
import type { RewardRunner } from '../rollout/reward_runner.ts'
import type { Policy } from './policy.ts'
import { lengthMetrics, type Metrics, mean, rewardMetrics } from './step_metrics.ts'

export interface EvaluateOptions {
  policy: Policy
  rewards: RewardRunner
  /** Sampling settings of the run; temperature and truncation are replaced by greedy ones. */
  sampling: Omit<CollectOptions, 'step' | 'samples'>
  maxNewTokens: number
  /** Answer without seeing: every image is replaced by the processor's mean colour. */
  blind?: boolean
  signal?: AbortSignal
}

/** Accuracy of one kind of question (column `kind` of the rows). */
export interface KindAccuracy {
  rows: number
  accuracy: number
  /** Accuracy of always giving the kind's most frequent answer. */
  bestConstant: number
}

export interface Evaluation {
  rows: number
  /** Mean of the `accuracy` reward; `null` without that reward. */
  accuracy: number | null
  perKind: Record<string, KindAccuracy>
  /** TRL names with the prefix `eval_`. */
  metrics: Metrics
  /** One completion each; the prompts have lost their images. */
  groups: Group[]
}

/** Prompts generated for at once: bounds the memory that their images take. */
export const EVALUATED_AT_ONCE = 128

/** Answers every prompt once, greedily, and judges the answers with the run's rewards. */
export async function evaluate(prompts: AsyncIterable<Prompt>, options: EvaluateOptions): Promise<Evaluation> {
  const groups: Group[] = []
  for await (const chunk of chunks(prompts, EVALUATED_AT_ONCE))
    for (const group of await answer(chunk, options)) groups.push(withoutImages(group))
  const metrics: Metrics = {}
  const perKind = accuracyPerKind(groups)
  const accuracy = accuracyOf(groups)
  const measured: Metrics = {
    ...rewardMetrics(groups),
    ...lengthMetrics(groups.flatMap((g) => g.completions)),
    ...(accuracy === null ? {} : { accuracy }),
  }
  for (const [kind, own] of Object.entries(perKind)) measured[`accuracy/${kind}`] = own.accuracy
  for (const [name, value] of Object.entries(measured)) metrics[`eval_${name}`] = value
  return { rows: groups.length, accuracy, perKind, metrics, groups }
}

async function answer(prompts: Prompt[], options: EvaluateOptions): Promise<Group[]> {
  const { policy, rewards, sampling, maxNewTokens, signal } = options
  const seen = options.blind ? prompts.map(greyed) : prompts
  // The weights as trained, also where rollouts round them.
  const settings = { weights: 'fp32', temperature: 0, topK: 0, topP: 1, minP: 0 } as const
  const greedy = { ...sampling, ...settings, maxNewTokens, samples: 1, step: 0 }
  const sampled = await collect(policy, seen, greedy, { signal })
  return (await judge(rewards, sampled, signal)).groups
}

/** The prompt with images of one even colour: after normalisation the processor's mean is 0. */
export function greyed(prompt: Prompt): Prompt {
  const images = prompt.images.map(
    ({ patches, grid, sizes }): ProcessedImage => ({
      patches: new Float32Array(patches.length),
      grid,
      sizes,
      key: `grey ${grid.join('x')}`,
    }),
  )
  return { ...prompt, images }
}

function accuracyOf(groups: readonly Group[]): number | null {
  if (!groups.some((g) => g.rewardParts.accuracy)) return null
  return mean(groups.map((g) => g.rewardParts.accuracy?.[0] ?? 0))
}

function accuracyPerKind(groups: readonly Group[]): Record<string, KindAccuracy> {
  const byKind = groupBy(
    groups.filter((g) => typeof g.prompt.row.columns.kind === 'string'),
    (g) => g.prompt.row.columns.kind as string,
  )
  const out: Record<string, KindAccuracy> = {}
  for (const [kind, own] of [...byKind].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const answers = groupBy(own, (g) => g.prompt.row.answer)
    const most = Math.max(...[...answers.values()].map((rows) => rows.length))
    out[kind] = { rows: own.length, accuracy: accuracyOf(own) ?? 0, bestConstant: most / own.length }
  }
  return out
}

/** A group without its pixels, which would add up over a whole evaluation. */
const withoutImages = (group: Group): Group => ({ ...group, prompt: { ...group.prompt, images: [] } })

function groupBy<T, K>(items: readonly T[], keyOf: (item: T) => K): Map<K, T[]> {
  const out = new Map<K, T[]>()
  for (const item of items) {
    const own = out.get(keyOf(item))
    if (own) own.push(item)
    else out.set(keyOf(item), [item])
  }
  return out
}

async function* chunks<T>(source: AsyncIterable<T>, size: number): AsyncGenerator<T[]> {
  let chunk: T[] = []
  for await (const item of source) {
    chunk.push(item)
    if (chunk.length === size) {
      yield chunk
      chunk = []
    }
  }
  if (chunk.length > 0) yield chunk
}
