/** One step of group-relative policy optimisation (GRPO and its variants), from prompts to updated weights. */

import type { Config } from '../config/schema.ts'
import type { Group, Prompt } from '../core/types.ts'
import { Phases } from '../metrics/phases.ts'
import { groupAdvantage } from '../native/kernels.ts'
import { type CollectOptions, collect } from '../rollout/collect.ts'
import { judge } from '../rollout/judge.ts'
import type { RewardRunner } from '../rollout/reward_runner.ts'
import { buildMiniBatches, type MiniBatch } from './batch.ts'
import type { Policy, PolicyOptimizer, Scorer } from './policy.ts'
import { failureMetrics, rolloutMetrics, UpdateStats } from './step_metrics.ts'
import { applyUpdate, type StepReport } from './update.ts'

export interface StepContext {
  config: Config
  policy: Policy
  optimizer: PolicyOptimizer
  /** Frozen reference of the KL term; `null` without one. */
  reference: Scorer | null
  rewards: RewardRunner
  /** Everything about sampling that does not change from step to step. */
  sampling: Omit<CollectOptions, 'step' | 'samples'>
  signal?: AbortSignal
}

/** Samples, judges, compares and learns; every phase is timed under its name. */
export async function grpoStep(context: StepContext, prompts: Prompt[], step: number, lr: number): Promise<StepReport> {
  const { config, policy, sampling, signal } = context
  const { algorithm, rollout } = config
  const phases = new Phases()

  const sampled = await phases.time('rollout', () =>
    collect(policy, prompts, { ...sampling, step, samples: rollout.groupSize }, { signal }),
  )
  const { groups, failures } = await phases.time('reward', () => judge(context.rewards, sampled, signal))
  const advantages = await phases.time('advantage', () => compare(groups, config))
  const miniBatches = await phases.time('pack', () =>
    buildMiniBatches(groups, advantages, {
      ...algorithm,
      aggregation: algorithm.loss.aggregation,
      maxNewTokens: rollout.maxNewTokens,
      tokenBudget: config.train.tokensPerMicroBatch,
      temperature: sampling.temperature,
      merge: sampling.merge,
    }),
  )
  const refLogp = context.reference
    ? await phases.time('score', () => scoreAll(context.reference!, miniBatches, signal))
    : []

  const stats = new UpdateStats()
  await phases.time('update', async () => {
    for (let pass = 0; pass < algorithm.updatesPerRollout; pass++)
      for (const [i, miniBatch] of miniBatches.entries())
        await update(context, miniBatch, refLogp[i] ?? null, lr, stats)
  })

  const saved = miniBatches.flatMap((m) => m.batches).reduce((sum, b) => sum + b.tokensSaved, 0)
  return {
    groups,
    advantages,
    ...countTokens(groups),
    updates: stats.made,
    skippedUpdates: stats.skipped,
    metrics: {
      ...rolloutMetrics(groups),
      ...failureMetrics(failures),
      ...stats.metrics(context.reference !== null),
      learning_rate: lr,
      prompt_tokens_saved: saved,
      ...phases.take(),
    },
  }
}

function countTokens(groups: readonly Group[]): { tokens: number; repeatedTokens: number } {
  let tokens = 0
  let repeatedTokens = 0
  for (const { prompt, completions } of groups) {
    const sampled = completions.reduce((sum, c) => sum + c.tokens.length, 0)
    tokens += prompt.tokens.length + sampled
    repeatedTokens += prompt.tokens.length * completions.length + sampled
  }
  return { tokens, repeatedTokens }
}

/** One advantage per completion, in group order. */
function compare(groups: readonly Group[], { algorithm }: Config): Float32Array {
  const rewards = groups.flatMap((g) => g.rewards.map((r) => r ?? Number.NaN))
  const ids = groups.flatMap((g, i) => g.rewards.map(() => i))
  return groupAdvantage(Float32Array.from(rewards), Int32Array.from(ids), algorithm.advantage)
}

/** Log-probs per mini-batch and micro-batch. The sampler's own serve as `oldLogp`, so only a reference needs this. */
async function scoreAll(scorer: Scorer, miniBatches: readonly MiniBatch[], signal?: AbortSignal) {
  const out: Float32Array[][] = []
  for (const { batches } of miniBatches) {
    const scores: Float32Array[] = []
    for (const { pack, head } of batches) scores.push((await scorer.score(pack, head, { signal })).logp)
    out.push(scores)
  }
  return out
}

/** Accumulates the gradient of a mini-batch and applies it, unless something in it is not finite. */
async function update(
  { config, policy, optimizer, signal }: StepContext,
  { batches }: MiniBatch,
  refLogp: Float32Array[] | null,
  lr: number,
  stats: UpdateStats,
): Promise<void> {
  if (batches.length === 0) return
  const { algorithm, model } = config
  const onPolicy = algorithm.updatesPerRollout * algorithm.miniBatches === 1
  let loss = 0
  for (const [i, batch] of batches.entries()) {
    const policyLoss = {
      advantages: batch.advantages,
      oldLogp: onPolicy ? null : batch.sampledLogp,
      refLogp: refLogp?.[i] ?? null,
      weights: batch.weights,
      clipLow: algorithm.loss.clipLow,
      clipHigh: algorithm.loss.clipHigh,
      klCoef: algorithm.klCoef,
    }
    const options = { recompute: model.recompute, signal }
    const output = await policy.forwardBackward(batch.pack, batch.head, { policy: policyLoss }, options)
    loss += stats.add(batch, output)
  }
  const result = await applyUpdate(policy, optimizer, loss, { lr, maxGradNorm: config.optimizer.maxGradNorm })
  stats.update(loss, result)
}
