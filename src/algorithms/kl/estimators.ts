/**
 * Estimates of KL(policy || reference) from one sampled token (Schulman, "Approximating KL divergence"), with
 * d = clamp(refLogp - logp, -20, 20):
 *
 *   k1       -d                 its mean is the divergence; its gradient has mean 0
 *   k2       d^2 / 2            biased value, unbiased gradient
 *   k3       e^d - d - 1        unbiased value, never negative
 *   k3-k2    value of k3, gradient of k2
 *
 * Where the clamp acts the term is constant.
 */
import { MAX_LOG_RATIO } from '../loss/define.ts'

/** Value and derivative by `logp` (both natural log). */
export type KlEstimator = (logp: number, refLogp: number) => { value: number; grad: number }

const estimator =
  (value: (d: number) => number, grad: (d: number) => number): KlEstimator =>
  (logp, refLogp) => {
    const raw = refLogp - logp
    const d = Math.min(Math.max(raw, -MAX_LOG_RATIO), MAX_LOG_RATIO)
    return { value: value(d), grad: Math.abs(raw) > MAX_LOG_RATIO ? 0 : grad(d) }
  }

export const k1 = estimator(
  (d) => -d,
  () => 1,
)
export const k2 = estimator(
  (d) => (d * d) / 2,
  (d) => -d,
)
export const k3 = estimator(
  (d) => Math.expm1(d) - d,
  (d) => -Math.expm1(d),
)
export const k3k2 = estimator(
  (d) => Math.expm1(d) - d,
  (d) => -d,
)
