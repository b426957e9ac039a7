/**
 * The k3 estimate of KL(policy || reference) from one sampled token (Schulman, "Approximating KL divergence"):
 *
 *   d = clamp(refLogp - logp, -20, 20)      k3 = exp(d) - d - 1      dk3/dlogp = 1 - exp(d), 0 where d is clamped
 *
 * Never negative, zero only where both agree.
 */

/** Log-ratios are limited to this before `exp`: beyond it a token says nothing but "very different". */
export const MAX_LOG_RATIO = 20

/** Value and derivative by `logp` (both natural log). */
export function k3(logp: number, refLogp: number): { value: number; grad: number } {
  const raw = refLogp - logp
  const d = Math.min(Math.max(raw, -MAX_LOG_RATIO), MAX_LOG_RATIO)
  return { value: Math.expm1(d) - d, grad: d === raw ? -Math.expm1(d) : 0 }
}
