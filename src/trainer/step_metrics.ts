/** The metrics of a step under the names that TRL's users know. */

import { type CompletionSummary, lossMetrics, meanStd, repetition } from '../algorithms/index.ts'
import type { Completion, Group } from '../core/types.ts'
import type { OptimizerStepOutput, PolicyLossSums, PolicyObjective } from '../native/types.ts'
import type { RewardFailures } from '../rollout/reward_scores.ts'
import type { PolicyBatch } from './batch.ts'
import { CriticStats } from './critic.ts'
import type { Experience } from './experience.ts'
import type { MethodStages } from './method_stages.ts'
import type { ReplayBuffer } from './replay.ts'

export type Metrics = Record<string, number>

export const mean = (values: readonly number[]): number =>
  values.length === 0 ? 0 : values.reduce((sum, v) => sum + v, 0) / values.length

const isNumber = (value: number | null): value is number => value !== null

/** Tokens whose repetition within a completion is reported. */
const repeatedNgram = 4

/** Lengths, finish reasons, rewards, entropy and repetition of what was sampled. */
export function rolloutMetrics(groups: readonly Group[]): Metrics {
  const completions = groups.flatMap((g) => g.completions)
  const stds = groups.map((g) => meanStd(g.rewards.filter(isNumber)).std)
  return {
    ...lengthMetrics(completions),
    ...rewardMetrics(groups),
    reward_std: mean(stds),
    frac_reward_zero_std: mean(stds.map((std) => (std < 1e-8 ? 1 : 0))),
    entropy: mean(completions.flatMap((c) => Array.from(c.entropy))),
    'completions/repetition': mean(completions.map(({ tokens }) => -repetition(tokens, repeatedNgram))),
  }
}

/** `completions/*`: lengths in tokens; "terminated" ones ended by themselves. */
export function lengthMetrics(completions: readonly Completion[]): Metrics {
  const terminated = completions.filter((c) => c.finish !== 'length').map((c) => c.tokens.length)
  const lengths = completions.map((c) => c.tokens.length)
  return {
    ...spanMetrics('length', lengths),
    ...spanMetrics('terminated_length', terminated),
    'completions/clipped_ratio': lengths.length === 0 ? 0 : 1 - terminated.length / lengths.length,
  }
}

/** `reward` and `rewards/<function>/{mean,std}` over the completions that have a value. */
export function rewardMetrics(groups: readonly Group[]): Metrics {
  const out: Metrics = { reward: mean(groups.flatMap((g) => g.rewards).filter(isNumber)) }
  for (const name of Object.keys(groups[0]?.rewardParts ?? {})) {
    const values = groups.flatMap((g) => g.rewardParts[name] ?? []).filter(isNumber)
    const { mean: average, std } = meanStd(values)
    out[`rewards/${name}/mean`] = average
    out[`rewards/${name}/std`] = std
  }
  return out
}

/** `rewards/<function>/failures`: completions it could not judge in any round; absent when there are none. */
export function failureMetrics(rounds: readonly Readonly<Record<string, RewardFailures>>[]): Metrics {
  const out: Metrics = {}
  for (const failures of rounds)
    for (const [name, { errors, timeouts, invalid }] of Object.entries(failures)) {
      const count = errors + timeouts + invalid
      if (count > 0) out[`rewards/${name}/failures`] = (out[`rewards/${name}/failures`] ?? 0) + count
    }
  return out
}

/** `sampling/importance_sampling_ratio/*`, where the sampler's probabilities are corrected for. */
export function samplerMetrics({ importance }: Pick<Experience, 'importance'>): Metrics {
  if (!importance) return {}
  const values = importance.flatMap((column) => Array.from(column))
  return {
    'sampling/importance_sampling_ratio/min': values.reduce((a, b) => Math.min(a, b), values[0] ?? 1),
    'sampling/importance_sampling_ratio/mean': mean(values),
    'sampling/importance_sampling_ratio/max': values.reduce((a, b) => Math.max(a, b), 0),
  }
}

function spanMetrics(name: string, lengths: readonly number[]): Metrics {
  return {
    [`completions/mean_${name}`]: mean(lengths),
    [`completions/min_${name}`]: lengths.reduce((a, b) => Math.min(a, b), lengths[0] ?? 0),
    [`completions/max_${name}`]: lengths.reduce((a, b) => Math.max(a, b), 0),
  }
}

/** Adds up what the micro-batches of a step report. */
export class UpdateStats {
  /** What the critic reports. */
  readonly critic = new CriticStats()
  private readonly losses: number[] = []
  private readonly policyLosses: number[] = []
  private readonly gradNorms: number[] = []
  private readonly completions: CompletionSummary[] = []
  private tokens = 0
  private kl = 0
  private policyLoss = 0
  private entropySum = 0
  private entropyTokens = 0
  private differenceSum = 0
  private differenceMax = 0
  /** After the last update; `null` = no entropy bonus in this run. */
  entropyCoef: number | null = null
  /** Updates not made because the loss or the gradient was not finite. */
  skipped = 0
  made = 0

  /** @returns the weighted loss of the micro-batch, entropy bonus included. */
  add(batch: PolicyBatch, sums: PolicyLossSums): number {
    this.tokens += batch.weights.length
    this.policyLoss += sums.loss
    this.kl += sums.kl
    this.entropySum += sums.entropy
    this.entropyTokens += sums.entropyRows
    this.differenceSum += sums.difference
    this.differenceMax = Math.max(this.differenceMax, sums.differenceMax)
    for (const [b, { begin, length }] of batch.completions.entries())
      this.completions.push({
        ...{ tokens: length, advantage: batch.advantages[begin]!, low: sums.low[b]!, high: sums.high[b]! },
        ...{ logRatio: sums.logRatio[b]!, logImportance: logImportance(batch, begin, length) },
      })
    return sums.loss + sums.bonus
  }

  update(loss: number, result: OptimizerStepOutput): void {
    this.losses.push(loss)
    this.policyLosses.push(this.policyLoss)
    this.policyLoss = 0
    this.gradNorms.push(result.gradNorm)
    if (result.skipped) this.skipped++
    else this.made++
  }

  /** Mean entropy of the tokens since the last call. */
  takeEntropy(): number {
    const out = this.entropySum / Math.max(1, this.entropyTokens)
    this.entropySum = this.entropyTokens = 0
    return out
  }

  meanKl(): number {
    return this.tokens === 0 ? 0 : this.kl / this.tokens
  }

  metrics(loss: PolicyObjective): Metrics {
    const per = (sum: number) => (this.tokens === 0 ? 0 : sum / this.tokens)
    const clipped = (side: 'low' | 'high') => this.completions.reduce((sum, own) => sum + own[side], 0)
    const shares = (side: 'low' | 'high') => this.completions.map((own) => own[side] / own.tokens)
    const smallest = (values: number[]) => values.reduce((a, b) => Math.min(a, b), values[0] ?? 0)
    const entropy: Metrics =
      this.entropyCoef === null ? {} : { entropy_coef: this.entropyCoef, policy_loss: mean(this.policyLosses) }
    return {
      loss: mean(this.losses),
      ...entropy,
      grad_norm: mean(this.gradNorms),
      'clip_ratio/low_mean': per(clipped('low')),
      'clip_ratio/low_min': smallest(shares('low')),
      'clip_ratio/high_mean': per(clipped('high')),
      'clip_ratio/high_max': shares('high').reduce((a, b) => Math.max(a, b), 0),
      'clip_ratio/region_mean': per(clipped('low') + clipped('high')),
      ...lossMetrics(this.completions, loss),
      'sampling/sampling_logp_difference/mean': per(this.differenceSum),
      'sampling/sampling_logp_difference/max': this.differenceMax,
      skipped_updates: this.skipped,
    }
  }
}

function logImportance({ importance, weights }: PolicyBatch, begin: number, length: number): number {
  if (!importance) return 0
  const own = importance.subarray(begin, begin + length)
  return own.reduce((sum, weight, i) => sum + (weights[begin + i] === 0 ? 0 : Math.log(weight)), 0)
}

/** Mean reward of each variant that completions were sampled from, and what was replayed. */
export function methodMetrics(
  { methods, replayBuffer }: { methods: MethodStages | null; replayBuffer?: ReplayBuffer },
  groups: readonly Group[],
  replayed: number,
): Metrics {
  if (!methods) return {}
  const byTag = new Map<string, number[]>()
  for (const { tags, rewards } of groups)
    for (const [i, tag] of (tags ?? []).entries())
      if (tag !== '' && isNumber(rewards[i]!)) byTag.set(tag, [...(byTag.get(tag) ?? []), rewards[i]])
  const variants = [...byTag].map(([tag, values]) => [`variants/${tag}/reward`, mean(values)])
  const kept = methods.stages.replay ? { 'replay/replayed': replayed, 'replay/kept': replayBuffer?.size ?? 0 } : {}
  return { ...Object.fromEntries(variants), ...kept }
}
