/** The metrics of a step under the names that TRL's users know. */

import { meanStd } from '../algorithms/index.ts'
import type { Completion, Group } from '../core/types.ts'
import type { ForwardBackwardOutput, OptimizerStepOutput } from '../native/types.ts'
import type { RewardFailures } from '../rollout/reward_scores.ts'
import type { PolicyBatch } from './batch.ts'

export type Metrics = Record<string, number>

export const mean = (values: readonly number[]): number =>
  values.length === 0 ? 0 : values.reduce((sum, v) => sum + v, 0) / values.length

const isNumber = (value: number | null): value is number => value !== null

/** Lengths, finish reasons, rewards and entropy of what was sampled. */
export function rolloutMetrics(groups: readonly Group[]): Metrics {
  const completions = groups.flatMap((g) => g.completions)
  const stds = groups.map((g) => meanStd(g.rewards.filter(isNumber)).std)
  return {
    ...lengthMetrics(completions),
    ...rewardMetrics(groups),
    reward_std: mean(stds),
    frac_reward_zero_std: mean(stds.map((std) => (std < 1e-8 ? 1 : 0))),
    entropy: mean(completions.flatMap((c) => Array.from(c.entropy))),
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

/** `rewards/<function>/failures`: completions it could not judge; absent when there are none. */
export function failureMetrics(failures: Readonly<Record<string, RewardFailures>>): Metrics {
  const out: Metrics = {}
  for (const [name, { errors, timeouts, invalid }] of Object.entries(failures))
    if (errors + timeouts + invalid > 0) out[`rewards/${name}/failures`] = errors + timeouts + invalid
  return out
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
  private readonly losses: number[] = []
  private readonly gradNorms: number[] = []
  private tokens = 0
  private kl = 0
  private low = 0
  private high = 0
  private differenceSum = 0
  private differenceMax = 0
  /** Updates not made because the loss or the gradient was not finite. */
  skipped = 0
  made = 0

  /** @returns the weighted loss of the micro-batch. */
  add(batch: PolicyBatch, output: ForwardBackwardOutput): number {
    const policy = output.policy!
    let loss = 0
    for (let i = 0; i < batch.weights.length; i++) {
      loss += batch.weights[i]! * policy.loss[i]!
      this.kl += policy.kl[i]!
      this.low += policy.clipped[i] === 1 ? 1 : 0
      this.high += policy.clipped[i] === 2 ? 1 : 0
      const difference = Math.abs(output.logp[i]! - batch.sampledLogp[i]!)
      this.differenceSum += difference
      this.differenceMax = Math.max(this.differenceMax, difference)
    }
    this.tokens += batch.weights.length
    return loss
  }

  update(loss: number, result: OptimizerStepOutput): void {
    this.losses.push(loss)
    this.gradNorms.push(result.gradNorm)
    if (result.skipped) this.skipped++
    else this.made++
  }

  metrics(hasReference: boolean): Metrics {
    const per = (sum: number) => (this.tokens === 0 ? 0 : sum / this.tokens)
    return {
      loss: mean(this.losses),
      grad_norm: mean(this.gradNorms),
      ...(hasReference ? { kl: per(this.kl) } : {}),
      'clip_ratio/low_mean': per(this.low),
      'clip_ratio/high_mean': per(this.high),
      'clip_ratio/region_mean': per(this.low + this.high),
      'sampling/sampling_logp_difference/mean': per(this.differenceSum),
      'sampling/sampling_logp_difference/max': this.differenceMax,
      skipped_updates: this.skipped,
    }
  }
}
