/** Kernels on typed arrays, for this trainer and for others. They run on the calling thread. */

import { type NormalisedRule, native } from './binding.ts'
import type {
  GaeInput,
  GroupAdvantageRule,
  ImportanceInput,
  ImportanceOptions,
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
export function groupAdvantage(rewards: Float32Array, groupIds: Int32Array, rule: GroupAdvantageRule): Float32Array {
  return native().groupAdvantage(rewards, groupIds, rule)
}

/**
 * GDPO: each reward normalised in its group by itself, weighted and summed, then standardised over the batch.
 * rewards (K,B) row-major, NaN = no value; weights (K); groupIds (B) -> (B).
 */
export function gdpo(
  rewards: Float32Array,
  weights: Float32Array,
  groupIds: Int32Array,
  rule: NormalisedRule,
): Float32Array {
  return native().gdpo(rewards, weights, groupIds, rule)
}

/** (x - mean) / (std + eps) over the values that are not NaN; those become 0. */
export function standardize(values: Float32Array, options: { eps: number; ddof: 0 | 1 }): Float32Array {
  return native().standardize(values, options)
}

/**
 * (x - mean) / sqrt(var + 1e-8) with Bessel's correction. `counts` (N): how many tokens carry the value, 0 = masked
 * out (it becomes 0); `null` = one each. Without `shiftMean` only the deviation is divided out.
 */
export function whiten(values: Float32Array, counts: Int32Array | null, shiftMean = true): Float32Array {
  return native().whiten(values, counts, { shiftMean })
}

/**
 * Generalised advantage estimation, completions one after the other. Masked rows are stepped over and get 0.
 *
 * @example
 * gae({ rewards: Float32Array.of(0, 1), values: null, mask: null, sequences: Int32Array.of(0, 2) }, { gamma: 1, lambda: 1 })
 */
export function gae(
  input: GaeInput,
  options: { gamma: number; lambda: number },
): { advantages: Float32Array; returns: Float32Array } {
  return native().gae(input, options)
}

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
export function policyLoss(logp: Float32Array, input: PolicyLossInput): PolicyLossOutput {
  return native().policyLoss(logp, input)
}

/** Clipped value loss of PPO and its gradient; columns (N). */
export function valueLoss(values: Float32Array, input: ValueLossInput): ValueLossOutput {
  return native().valueLoss(values, input)
}
