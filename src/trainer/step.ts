/** One step of reinforcement (GRPO, PPO and their relatives), from prompts to updated weights. */

import { needsReference } from '../config/algorithm.ts'
import type { Config } from '../config/schema.ts'
import type { Group, Prompt } from '../core/types.ts'
import { Phases } from '../metrics/phases.ts'
import { importanceRatio } from '../native/kernels.ts'
import { computeAdvantages, klPenalties } from './advantages.ts'
import { buildMiniBatches, type MiniBatch } from './batch.ts'
import type { Controllers } from './controllers.ts'
import type { Critic } from './critic.ts'
import { type Experience, flatten, logpOf, type PackSettings, scoreCompletions, unflatten } from './experience.ts'
import { choosesTokens } from './loss_columns.ts'
import { toSampleGroup } from './method_stages.ts'
import type { Policy, PolicyOptimizer, Scorer } from './policy.ts'
import { criticLr, updateAll } from './policy_update.ts'
import { outcomesOf, placeSteps, processMetrics } from './process_rewards.ts'
import type { ReplayBuffer } from './replay.ts'
import { greedyRewards, type SampledGroups, type SamplingContext, sampleGroups } from './sampling.ts'
import {
  failureMetrics,
  type Metrics,
  methodMetrics,
  rolloutMetrics,
  samplerMetrics,
  UpdateStats,
} from './step_metrics.ts'
import type { StepReport } from './update.ts'

export interface StepContext extends SamplingContext {
  config: Config
  policy: Policy
  optimizer: PolicyOptimizer
  /** Reference of the KL term; `null` without one. */
  reference: Scorer | null
  controllers: Controllers
  /** Completions of earlier steps, for methods that train on them again. */
  replayBuffer?: ReplayBuffer
  /** Of PPO; `null` without one. */
  critic: Critic | null
}

/** Samples, judges, compares and learns; every phase is timed under its name. */
export async function rlStep(context: StepContext, prompts: Prompt[], step: number, lr: number): Promise<StepReport> {
  const { config } = context
  const phases = new Phases()
  const sampled = await sampleGroups(context, prompts, step, phases)
  const klCoefs = context.controllers.klCoefs(sampled.groups, step)
  const scored = await phases.time('score', () => score(context, sampled.groups))
  const compared = await compare(context, sampled.groups, scored, klCoefs, step, phases)
  const { learned: experience, klCoefs: coefs, replayed } = replay(context, weighed(compared, context), klCoefs)
  const miniBatches = await phases.time('pack', () => pack(context, experience, coefs))
  const stats = new UpdateStats()
  await phases.time('update', () => updateAll(context, miniBatches, { step, lr }, stats))
  if (experience.refLogp) context.controllers.sawKl(experience.meanKl ?? stats.meanKl(), experience.lengths.length)
  return {
    groups: sampled.groups,
    advantages: compared.means,
    ...countTokens(sampled.all),
    updates: stats.made,
    skippedUpdates: stats.skipped,
    metrics: {
      ...rolloutMetrics(sampled.all),
      'completions/image_tokens': countTokensOf(sampled.all, context.sampling.forbiddenTokens),
      ...failureMetrics(sampled.failures),
      ...stats.metrics(config.algorithm.loss),
      ...samplerMetrics(compared),
      ...methodMetrics(context, sampled.all, replayed),
      ...(config.algorithm.advantage.process ? processMetrics(sampled.all) : {}),
      ...klMetrics(experience, stats, klCoefs),
      ...criticMetrics(experience, stats, criticLr(config, step)),
      ...dynamicSamplingMetrics(sampled, config),
      learning_rate: lr,
      prompt_tokens_saved: saved(miniBatches),
      ...phases.take(),
    },
  }
}

type Scored = Pick<Experience, 'oldLogp' | 'refLogp' | 'importance' | 'values'>

/** Log-probs of the reference, those of the trainer where the sampler's are not taken for them, values of the critic. */
async function score(context: StepContext, groups: Group[]): Promise<Scored> {
  const { config, policy, reference, signal } = context
  const { algorithm } = config
  const sampledLogp = groups.flatMap((g) => g.completions.map((c) => c.logp))
  const settings = packSettings(context)
  const of = (scorer: Scorer) =>
    scoreCompletions(groups, settings, async (pack, head) => logpOf(await scorer.score(pack, head, { signal })))
  const refLogp = reference && needsReference(algorithm) ? await of(reference) : null
  if (refLogp && config.train.offload.reference) await reference!.offload?.()
  const values = context.critic
    ? await scoreCompletions(groups, settings, (pack, head) =>
        context.critic!.model.values(pack, head.rows, { signal }),
      )
    : null
  const { level, bound, low, high } = algorithm.rolloutCorrection
  const foreign = groups.some((g) => g.rescore)
  if (level === null) return { oldLogp: foreign ? await of(policy) : sampledLogp, refLogp, importance: null, values }
  const oldLogp = await of(policy)
  const [old, sampled] = [flatten(oldLogp), flatten(sampledLogp)]
  const columns = { oldLogp: old.flat, sampledLogp: sampled.flat, mask: null, sequences: old.sequences }
  const importance = importanceRatio(columns, { level, bound, low, high })
  return { oldLogp, refLogp, importance: unflatten(importance, old.sequences), values }
}

interface Compared extends Experience {
  /** (B) mean advantage of each completion. */
  means: Float32Array
  /** Mean KL per token where it is part of the reward. */
  meanKl: number | null
}

/** Advantages of everything sampled. */
async function compare(
  context: StepContext,
  groups: Group[],
  scored: Scored,
  klCoefs: number[],
  step: number,
  phases: Phases,
): Promise<Compared> {
  const { algorithm } = context.config
  const { maskTruncated, filterTruncated, kl } = algorithm
  const isCut = (finish: string) => finish === 'length'
  const lengths = groups.flatMap((g) =>
    g.completions.map((c) => ((maskTruncated || filterTruncated) && isCut(c.finish) ? 0 : c.tokens.length)),
  )
  const counted = groups.map((g) =>
    filterTruncated ? { ...g, rewards: g.rewards.map((r, i) => (isCut(g.completions[i]!.finish) ? null : r)) } : g,
  )
  const bySteps = algorithm.advantage.process !== null
  const isRemax = algorithm.advantage.kind === 'remax'
  const prompts = groups.map((g) => g.prompt)
  const baselines = isRemax ? await phases.time('rollout', () => greedyRewards(context, prompts, step)) : null
  const inReward = scored.refLogp !== null && kl.place === 'reward'
  const klPenalty = inReward ? klPenalties(scored.oldLogp, scored.refLogp!, klCoefs[0] ?? 0, kl.estimator) : null
  const input = {
    groups: bySteps ? counted.map((g) => ({ ...g, rewards: outcomesOf(g) })) : counted,
    steps: bySteps ? placeSteps(counted, context.sampling.decode) : null,
    lengths,
    rewardWeights: context.rewards.weights,
    klPenalty,
    values: scored.values,
    baselines,
  }
  const { columns, means, returns } = await phases.time('advantage', () => computeAdvantages(input, algorithm))
  const meanKl = inReward
    ? meanOf(klPenalties(scored.oldLogp, scored.refLogp!, 1, kl.estimator).flatMap((c) => [...c]))
    : null
  return { groups, lengths, ...scored, advantages: columns, means, returns, meanKl }
}

/**
 * Advantages times the factors that methods put on their groups, plus the weights of what they imitate. Where the ratio is 1 the
 * policy loss has the gradient -A grad log p, so an advantage of c is an auxiliary loss of -c log p, summed as the run sums its
 * losses.
 */
function weighed(compared: Compared, { methods }: StepContext): Compared {
  if (!methods) return compared
  const groups = compared.groups.map(toSampleGroup)
  const factors = methods.stages.weights(groups, methods.stage)
  const imitated = methods.stages.imitation(groups, methods.stage)?.flat() ?? null
  const ofRow = compared.groups.flatMap((g, i) => g.completions.map(() => factors[i]!))
  const added = compared.advantages.map((_, r) => (imitated && compared.means[r]! > 0 ? imitated[r]! : 0))
  if (ofRow.every((factor) => factor === 1) && added.every((weight) => weight === 0)) return compared
  const advantages = compared.advantages.map((column, r) => column.map((a) => a * ofRow[r]! + added[r]!))
  return { ...compared, advantages, means: compared.means.map((mean, r) => mean * ofRow[r]! + added[r]!) }
}

function replay({ methods, replayBuffer }: StepContext, compared: Compared, klCoefs: number[]) {
  const rule = methods?.stages.replay
  if (!rule || !replayBuffer) return { learned: compared, klCoefs, replayed: 0 }
  return replayBuffer.replay(compared, klCoefs, rule, methods.stage)
}

function packSettings({ config, sampling }: StepContext): PackSettings {
  const { temperature, merge } = sampling
  return { tokenBudget: config.train.tokensPerMicroBatch, temperature: temperature || 1, merge }
}

function pack(context: StepContext, experience: Experience, klCoefs: number[]): MiniBatch[] {
  const { algorithm, rollout } = context.config
  const inLoss = experience.refLogp !== null && algorithm.kl.place === 'loss'
  const coefs = experience.groups.flatMap((g, i) => g.completions.map(() => klCoefs[i]!))
  return buildMiniBatches(experience, {
    ...packSettings(context),
    miniBatches: algorithm.miniBatches,
    aggregation: algorithm.loss.aggregation,
    maxNewTokens: rollout.maxNewTokens,
    klCoefs: inLoss ? coefs : null,
    topEntropyShare: algorithm.entropy.topShare,
    keepAll: context.controllers.usesEntropy || choosesTokens(algorithm) || context.critic !== null,
  })
}

/** Sampled tokens that a policy must not sample: image placeholders among them. */
function countTokensOf(groups: readonly Group[], tokens: Int32Array): number {
  const wanted = new Set(tokens)
  const sampled = groups.flatMap((g) => g.completions.map((c) => c.tokens))
  return sampled.reduce((sum, own) => sum + own.reduce((n, token) => n + (wanted.has(token) ? 1 : 0), 0), 0)
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

function klMetrics({ refLogp, meanKl }: Compared, stats: UpdateStats, klCoefs: number[]): Metrics {
  return refLogp ? { kl: meanKl ?? stats.meanKl(), kl_coef: meanOf(klCoefs) } : {}
}

function criticMetrics({ values, returns }: Compared, stats: UpdateStats, lr: number): Metrics {
  return values && returns ? stats.critic.metrics(values, returns, lr) : {}
}

const saved = (miniBatches: readonly MiniBatch[]) =>
  miniBatches.flatMap((m) => m.batches).reduce((sum, b) => sum + b.tokensSaved, 0)

const meanOf = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / Math.max(1, values.length)

function dynamicSamplingMetrics({ groups, all, rounds }: SampledGroups, { algorithm }: Config): Metrics {
  if (algorithm.dynamicSampling.maxRounds === 0) return {}
  return { 'dynamic_sampling/rounds': rounds, 'dynamic_sampling/kept': groups.length / Math.max(1, all.length) }
}
