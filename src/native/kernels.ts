/** Kernels on typed arrays, for this trainer and for others. They run on the calling thread. */

import { native } from './binding.ts'
import type { PolicyLossInput, PolicyLossOutput } from './types.ts'

/**
 * Group-normalised advantages. rewards (B), NaN = no value: left out, advantage 0. groupIds (B): equal = one prompt.
 * `group`: (r - mean) / (std + eps) with the group's Bessel-corrected std; `batch`: the batch's; `none`: r - mean.
 *
 * @example
 * groupAdvantage(Float32Array.of(1, 0, 0, 1), Int32Array.of(0, 0, 1, 1), { scale: 'group', eps: 1e-4 })
 */
export function groupAdvantage(
  rewards: Float32Array,
  groupIds: Int32Array,
  options: { scale: 'group' | 'batch' | 'none'; eps: number },
): Float32Array {
  return native().groupAdvantage(rewards, groupIds, options)
}

/**
 * Clipped-ratio loss with asymmetric bounds and k3 KL: per-token loss and its gradient in one pass. Columns (N).
 * loss = -min(r A, clip(r, 1 - clipLow, 1 + clipHigh) A) + klCoef (e^(ref - logp) - (ref - logp) - 1), r = e^(logp - old).
 *
 * @throws when the columns differ in length.
 */
export function policyLoss(logp: Float32Array, input: PolicyLossInput): PolicyLossOutput {
  return native().policyLoss(logp, input)
}
