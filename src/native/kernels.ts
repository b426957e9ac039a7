/**
 * Kernels on columns, for this trainer and for others: on typed arrays they run on the calling thread, on device buffers
 * (./device_buffer.ts) on the CUDA device, behind the work that was queued there.
 */

import { type NormalisedRule, native } from './binding.ts'
import { kernel } from './device_buffer.ts'
import type {
  GaeInput,
  GroupAdvantageRule,
  ImportanceInput,
  ImportanceOptions,
  KlEstimatorName,
  PolicyLossInput,
  PolicyLossOutput,
  ValueLossInput,
  ValueLossOutput,
} from './types.ts'

/**
 * One advantage per completion. rewards (B), NaN = no value: left out, advantage 0. groupIds (B): equal = one prompt.
 * The formula of each `kind` is in docs/algorithms.
 *
 * @throws when columns differ in length.
 * @example
 * groupAdvantage(Float32Array.of(1, 0, 0, 1), Int32Array.of(0, 0, 1, 1), { kind: 'group', scale: 'group', eps: 1e-4 })
 */
export const groupAdvantage = kernel((rewards: Float32Array, groupIds: Int32Array, rule: GroupAdvantageRule) =>
  native().groupAdvantage(rewards, groupIds, rule),
)

/**
 * GDPO: each reward normalised in its group by itself, weighted and summed, then standardised over the batch.
 * rewards (K,B) row-major, NaN = no value; weights (K); groupIds (B) -> (B).
 */
export const gdpo = kernel((rewards: Float32Array, weights: Float32Array, groupIds: Int32Array, rule: NormalisedRule) =>
  native().gdpo(rewards, weights, groupIds, rule),
)

/** (x - mean) / (std + eps) over the values that are not NaN; those become 0. */
export function standardize(values: Float32Array, options: { eps: number; ddof: 0 | 1 }): Float32Array {
  return native().standardize(values, options)
}

/**
 * (x - mean) / sqrt(var + 1e-8) with Bessel's correction. `counts` (N): how many tokens carry the value, 0 = masked
 * out (it becomes 0); `null` = one each. Without `shiftMean` only the deviation is divided out.
 */
export const whiten = kernel((values: Float32Array, counts: Int32Array | null, shiftMean: boolean = true) =>
  native().whiten(values, counts, { shiftMean }),
)

/**
 * Generalised advantage estimation, completions one after the other. Masked rows are stepped over and get 0.
 *
 * @example
 * gae({ rewards: Float32Array.of(0, 1), values: null, mask: null, sequences: Int32Array.of(0, 2) }, { gamma: 1, lambda: 1 })
 */
export const gae = kernel((input: GaeInput, options: { gamma: number; lambda: number }) => native().gae(input, options))

/** Importance weights (N) of log-probs against those of another sampler. */
export function importanceRatio(input: ImportanceInput, options: ImportanceOptions): Float32Array {
  return native().importanceRatio(input, options)
}

/**
 * A policy loss and its gradient in one pass; columns (N), natural log. The formula of each `loss.kind` is in
 * docs/algorithms.
 *
 * @throws when columns differ in length, and when a loss of whole completions gets no `sequences`.
 * @example
 * policyLoss(logp, { loss: { kind: 'clip', clipLow: 0.2, clipHigh: 0.28, dualClip: null, ratioCap: null },
 *   advantages, weights, oldLogp }).dlogp
 */
export const policyLoss = kernel(
  (logp: Float32Array, input: PolicyLossInput): PolicyLossOutput => native().policyLoss(logp, input),
)

/**
 * The KL term alone: an estimate of KL(policy || reference) per token (N) and its derivative by `logp`, natural log.
 *
 * @throws when lengths differ.
 * @example
 * kl(logp, refLogp, 'k3').value
 */
export const kl = kernel((logp: Float32Array, refLogp: Float32Array, estimator: KlEstimatorName) =>
  native().kl(logp, refLogp, estimator),
)

/** Clipped value loss of PPO and its gradient; columns (N). */
export const valueLoss = kernel(
  (values: Float32Array, input: ValueLossInput): ValueLossOutput => native().valueLoss(values, input),
)
