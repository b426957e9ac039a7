/**
 * Adaptive entropy bonus (Skywork-OR1; TRL `use_adaptive_entropy`): after each update the coefficient grows by delta
 * while entropy is at or below the target and shrinks above it; it is applied only where the entropy of the last update
 * was at or below the target.
 */

export interface EntropyState {
  coef: number
  /** Mean entropy of the last update, `null` before the first: the bonus is then applied. */
  last: number | null
}

export interface EntropyOptions {
  /** `null` = a constant coefficient. */
  target: number | null
  delta: number
  min: number
  max: number
}

/** The coefficient that the next update applies. */
export function appliedEntropyCoef({ coef, last }: EntropyState, { target }: EntropyOptions): number {
  return target === null || last === null || last <= target ? coef : 0
}

/** The state after an update of mean entropy `entropy`. */
export function adaptEntropy(state: EntropyState, entropy: number, options: EntropyOptions): EntropyState {
  if (options.target === null) return state
  const coef =
    entropy <= options.target
      ? Math.min(state.coef + options.delta, options.max)
      : Math.max(state.coef - options.delta, options.min)
  return { coef, last: entropy }
}
