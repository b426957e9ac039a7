/** Rewards that look at how long a completion is. */

/**
 * Soft overlong punishment (DAPO, arXiv 2503.14476, eq. 13): 0 up to maxLength - cache tokens, falling to -1 at
 * maxLength.
 *
 * @example softOverlong(90, 100, 20) // -0.5
 */
export function softOverlong(length: number, maxLength: number, cache: number): number {
  const free = maxLength - cache
  if (length <= free) return 0
  return length > maxLength ? -1 : (free - length) / cache
}

/**
 * Cosine length reward ("Demystifying long chain-of-thought", arXiv 2502.03373, with the values of TRL): a right answer
 * earns 1 when short and 0.5 at maxLength, a wrong one costs 1 when short and 0.5 at maxLength.
 */
export function cosineLength(isRight: boolean, length: number, maxLength: number): number {
  const progress = Math.min(1, length / maxLength)
  const cosine = (1 + Math.cos(Math.PI * progress)) / 2
  return isRight ? 0.5 + 0.5 * cosine : -0.5 - 0.5 * cosine
}

/**
 * Share of n-grams of tokens that occurred before, negated (arXiv 2502.03373, appendix C.2): 0 when none repeats,
 * towards -1 when all do.
 *
 * @example repetition([1, 2, 1, 2, 1, 2], 2) // 2 different of 5: -0.6
 */
export function repetition(tokens: ArrayLike<number>, ngram: number): number {
  const total = tokens.length - ngram + 1
  if (total <= 0) return 0
  const seen = new Set<string>()
  for (let i = 0; i < total; i++) seen.add(Array.from({ length: ngram }, (_, k) => tokens[i + k]).join())
  return seen.size / total - 1
}
