/**
 * Value loss of PPO with the clip of its first implementation:
 *
 *   l = 1/2 max((v - R)^2, (clip(v, old - c, old + c) - R)^2)
 *
 * The readable twin of the native kernel `valueLoss`.
 */
import { clamp } from './define.ts'

export interface ValueLossColumns {
  returns: ArrayLike<number>
  /** `null` = no clip. */
  oldValues: ArrayLike<number> | null
  weights: ArrayLike<number>
  clip: number
}

/** (N) unweighted loss, d(total)/d(value), and where the clipped branch is larger. */
export function valueLoss(values: ArrayLike<number>, input: ValueLossColumns) {
  const n = values.length
  const out = { loss: new Float64Array(n), dvalue: new Float64Array(n), clipped: new Uint8Array(n) }
  for (let i = 0; i < n; i++) {
    const weight = input.weights[i]!
    if (weight === 0) continue
    const old = input.oldValues ? input.oldValues[i]! : values[i]!
    const plain = values[i]! - input.returns[i]!
    const held = clamp(values[i]!, old - input.clip, old + input.clip) - input.returns[i]!
    const isClipped = held * held > plain * plain
    out.loss[i] = (isClipped ? held * held : plain * plain) / 2
    out.dvalue[i] = isClipped ? 0 : weight * plain
    out.clipped[i] = isClipped ? 1 : 0
  }
  return out
}

/** 1 - Var(returns - values) / Var(returns): 1 = the critic knows the returns, below 0 = worse than a constant. */
export function explainedVariance(values: ArrayLike<number>, returns: ArrayLike<number>): number {
  const errors = Array.from(returns, (r, i) => r - values[i]!)
  return 1 - variance(errors) / (variance(Array.from(returns)) + 1e-5)
}

function variance(x: readonly number[]): number {
  const mean = x.reduce((a, b) => a + b, 0) / Math.max(1, x.length)
  return x.reduce((sum, v) => sum + (v - mean) ** 2, 0) / Math.max(1, x.length)
}
