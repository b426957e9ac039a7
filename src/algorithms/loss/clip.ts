/**
 * Clipped-ratio policy loss (PPO; asymmetric bounds as in DAPO) with the k3 penalty of GRPO:
 *
 *   ratio = exp(clamp(logp - oldLogp, -20, 20))
 *   loss  = -min(ratio A, clip(ratio, 1 - clipLow, 1 + clipHigh) A) + klCoef k3(logp, refLogp)
 *   total = sum_i weight_i loss_i
 *
 * On a tie (on-policy: ratio = 1) the unclipped branch is differentiated, so the gradient is -A.
 * The readable twin of the native kernel.
 */

import { k3, MAX_LOG_RATIO } from '../kl/k3.ts'

/** (N) columns; the same record as the native kernel takes. */
export interface ClipLossInput {
  advantages: ArrayLike<number>
  /** `null` = on-policy: the ratio is exactly 1. */
  oldLogp: ArrayLike<number> | null
  /** `null` = no KL term. */
  refLogp: ArrayLike<number> | null
  /** Aggregation weight x loss mask. */
  weights: ArrayLike<number>
  clipLow: number
  clipHigh: number
  klCoef: number
}

export interface ClipLossOutput {
  /** (N) unweighted loss, KL term included. */
  loss: Float64Array
  /** (N) d(total)/d(logp). */
  dlogp: Float64Array
  /** (N) k3, 0 without a reference. */
  kl: Float64Array
  /** (N) 0 = not clipped, 1 = clipped at the low bound, 2 = at the high bound. */
  clipped: Uint8Array
}

/** See the formulas above. A row of weight 0 contributes nothing, whatever its other columns hold. */
export function clipLoss(logp: ArrayLike<number>, input: ClipLossInput): ClipLossOutput {
  const n = logp.length
  const out: ClipLossOutput = {
    loss: new Float64Array(n),
    dlogp: new Float64Array(n),
    kl: new Float64Array(n),
    clipped: new Uint8Array(n),
  }
  for (let i = 0; i < n; i++) {
    const weight = input.weights[i]!
    if (weight === 0) continue
    const advantage = input.advantages[i]!
    const raw = input.oldLogp ? logp[i]! - input.oldLogp[i]! : 0
    const ratio = Math.exp(Math.min(Math.max(raw, -MAX_LOG_RATIO), MAX_LOG_RATIO))
    const bounded = Math.min(Math.max(ratio, 1 - input.clipLow), 1 + input.clipHigh)
    const isClipped = bounded * advantage < ratio * advantage
    out.clipped[i] = isClipped ? (ratio < 1 ? 1 : 2) : 0
    out.loss[i] = -(isClipped ? bounded : ratio) * advantage
    let grad = isClipped || Math.abs(raw) > MAX_LOG_RATIO ? 0 : -ratio * advantage
    if (input.refLogp) {
      const { value, grad: klGrad } = k3(logp[i]!, input.refLogp[i]!)
      out.kl[i] = value
      out.loss[i]! += input.klCoef * value
      grad += input.klCoef * klGrad
    }
    out.dlogp[i] = weight * grad
  }
  return out
}
