/**
 * High-entropy token mask ("Beyond the 80/20 rule", arXiv 2506.01939): only the most uncertain tokens have a loss.
 * TRL `top_entropy_quantile`, ms-swift the same.
 */

/**
 * 1 for tokens whose entropy is at or above the (1 - top) quantile of all, with linear interpolation as torch.quantile.
 *
 * @param top share of tokens kept, in (0, 1].
 * @example highEntropyMask([0.1, 0.9, 0.5, 0.2, 0.3], 0.2) // [0, 1, 0, 0, 0]
 */
export function highEntropyMask(entropy: ArrayLike<number>, top: number): Uint8Array {
  const sorted = Float64Array.from(entropy).sort()
  const place = (1 - top) * Math.max(0, sorted.length - 1)
  const [low, high] = [sorted[Math.floor(place)] ?? 0, sorted[Math.ceil(place)] ?? 0]
  const threshold = low + (high - low) * (place - Math.floor(place))
  return Uint8Array.from(entropy, (h) => (h >= threshold ? 1 : 0))
}
