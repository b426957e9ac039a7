/** Every prompt once greedily and k times by chance: accuracy, mean@k, maj@k and pass@k, in all and by source. */

import type { Group, Prompt } from '../core/types.ts'
import { answersAgree } from '../rewards/accuracy.ts'
import { extractAnswer } from '../rewards/extract.ts'
import { type CollectOptions, collect, type Generator } from '../rollout/collect.ts'
import { judge } from '../rollout/judge.ts'
import type { RewardRunner } from '../rollout/reward_runner.ts'
import { EVALUATED_AT_ONCE, greyed } from '../trainer/evaluate.ts'
import { type Estimate, majorityRight, meanOfRows, passAtK, proportion } from './statistics.ts'

export interface SampledOptions {
  policy: Generator
  rewards: RewardRunner
  /** The reward that says what is right: 1, or anything above a half. */
  rightBy: string
  /** Sampling settings; the greedy pass takes the limits alone. */
  sampling: Omit<CollectOptions, 'step' | 'samples'>
  maxNewTokens: number
  /** Drawn per prompt besides the greedy one; 0 = greedy only. */
  samples: number
  /** What a row is counted under; absent: all rows are one source. */
  sourceOf?: (prompt: Prompt) => string
  blind?: boolean
  signal?: AbortSignal
  /** Told how many rows are done. */
  onProgress?: (rows: number) => void
}

export interface Attempt {
  text: string
  /** What the reward gave; 0 when it had nothing to say. */
  score: number
}

export interface RowResult {
  id: string
  source: string
  question: string
  answer: string | null
  greedy: Attempt
  samples: Attempt[]
  /** 0 to 1; `null` without samples. */
  majority: number | null
}

export interface Summary {
  rows: number
  greedy: Estimate
  /** `null` without samples. */
  mean: Estimate | null
  majority: Estimate | null
  /** pass@k for k = 1, 2, 4, .. up to the number of samples. */
  pass: { k: number; estimate: Estimate }[]
}

export interface SampledEvaluation {
  samples: number
  all: Summary
  /** By source, in the order of their names. */
  sources: { source: string; summary: Summary }[]
  rows: RowResult[]
}

/** Answers every prompt. @throws the signal's reason when aborted. */
export async function evaluateSampled(
  prompts: AsyncIterable<Prompt>,
  options: SampledOptions,
): Promise<SampledEvaluation> {
  const rows: RowResult[] = []
  const chunk: Prompt[] = []
  const flush = async () => {
    if (chunk.length === 0) return
    rows.push(...(await answer(chunk.splice(0), options)))
    options.onProgress?.(rows.length)
  }
  for await (const prompt of prompts) {
    chunk.push(options.blind ? greyed(prompt) : prompt)
    if (chunk.length === EVALUATED_AT_ONCE) await flush()
  }
  await flush()
  const names = [...new Set(rows.map(({ source }) => source))].sort()
  const summaryOf = (own: readonly RowResult[]) => summarise(own, options.samples)
  return {
    samples: options.samples,
    all: summaryOf(rows),
    sources: names.map((source) => ({ source, summary: summaryOf(rows.filter((row) => row.source === source)) })),
    rows,
  }
}

async function answer(prompts: Prompt[], options: SampledOptions): Promise<RowResult[]> {
  const { maxNewTokens, samples, sampling, sourceOf = () => 'all' } = options
  const greedily = { temperature: 0, topK: 0, topP: 1, minP: 0 }
  // The weights as trained, also where rollouts round them.
  const common = { ...sampling, weights: 'fp32' as const, maxNewTokens, step: 0 }
  const greedy = await attempts(prompts, { ...common, ...greedily, samples: 1 }, options)
  const drawn = samples > 0 ? await attempts(prompts, { ...common, samples }, options) : prompts.map(() => [])
  return prompts.map((prompt, i) => ({
    id: prompt.row.id,
    source: sourceOf(prompt),
    question: questionOf(prompt),
    answer: prompt.row.answer,
    greedy: greedy[i]![0]!,
    samples: drawn[i]!,
    majority: samples > 0 ? majority(drawn[i]!) : null,
  }))
}

async function attempts(prompts: Prompt[], sampling: CollectOptions, options: SampledOptions): Promise<Attempt[][]> {
  const { policy, rewards, rightBy, signal } = options
  const { groups } = await judge(rewards, await collect(policy, prompts, sampling, { signal }), signal)
  return groups.map((group: Group) =>
    group.completions.map(({ text }, k) => ({ text, score: group.rewardParts[rightBy]?.[k] ?? 0 })),
  )
}

const isRight = ({ score }: Attempt) => score > 0.5

function majority(samples: readonly Attempt[]): number {
  const votes = samples.map((sample) => ({ answer: sample.text, right: isRight(sample) ? 1 : 0 }))
  return majorityRight(votes, (a, b) => extractAnswer(a) === extractAnswer(b) || answersAgree(a, b))
}

function summarise(rows: readonly RowResult[], samples: number): Summary {
  const drawn = (of: (row: RowResult) => number) => (samples > 0 ? meanOfRows(rows.map(of)) : null)
  const right = (row: RowResult) => row.samples.filter(isRight).length
  const powers = Array.from({ length: 31 }, (_, i) => 2 ** i).filter((k) => k < samples)
  const counts = samples > 0 ? [...powers, samples] : []
  return {
    rows: rows.length,
    greedy: proportion(rows.filter(({ greedy }) => isRight(greedy)).length, rows.length),
    mean: drawn((row) => right(row) / samples),
    majority: drawn(({ majority }) => majority ?? 0),
    pass: counts.map((k) => ({ k, estimate: meanOfRows(rows.map((row) => passAtK(samples, right(row), k))) })),
  }
}

function questionOf({ row }: Prompt): string {
  const last = row.messages.findLast(({ role }) => role === 'user')
  if (!last) return ''
  if (typeof last.content === 'string') return last.content
  return last.content.map((part) => (part.type === 'text' ? part.text : '')).join('')
}
