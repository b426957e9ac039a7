/**
 * Tokens whose log-prob and advantage covary most drive entropy down (arXiv 2505.22617):
 *
 *   cov_i = (A_i - mean A) (logp_i - mean logp)       over the trained tokens of a mini-batch
 *
 * Clip-Cov takes some of those in a band at random and drops their loss; KL-Cov makes the largest pay for moving.
 */

/** (N) covariances. */
export function covariances(advantages: ArrayLike<number>, logp: ArrayLike<number>): Float64Array {
  const mean = (x: ArrayLike<number>) => Array.from(x).reduce((a, b) => a + b, 0) / Math.max(1, x.length)
  const [a, l] = [mean(advantages), mean(logp)]
  return Float64Array.from(advantages, (v, i) => (v - a) * (logp[i]! - l))
}

/** 1 for the `max(1, floor(share n))` tokens of largest covariance (KL-Cov). Ties go to earlier tokens. */
export function largestCovariances(cov: ArrayLike<number>, share: number): Uint8Array {
  const order = Array.from(cov, (_, i) => i).sort((a, b) => cov[b]! - cov[a]! || a - b)
  return marks(cov.length, order.slice(0, countOf(cov.length, share)))
}

/**
 * 1 for `max(1, floor(share n))` tokens drawn among those with low < cov < high that are not `clipped` already
 * (Clip-Cov). The draw is a function of the seed and a token's place.
 */
export function sampledCovariances(
  cov: ArrayLike<number>,
  clipped: (i: number) => boolean,
  { share, low, high, seed }: { share: number; low: number; high: number; seed: number },
): Uint8Array {
  const candidates = Array.from(cov, (_, i) => i).filter((i) => cov[i]! > low && cov[i]! < high && !clipped(i))
  const order = candidates.sort((a, b) => scramble(seed, a) - scramble(seed, b) || a - b)
  return marks(cov.length, order.slice(0, countOf(cov.length, share)))
}

const countOf = (n: number, share: number) => Math.max(1, Math.floor(share * n))

function marks(n: number, chosen: readonly number[]): Uint8Array {
  const out = new Uint8Array(n)
  for (const i of chosen) out[i] = 1
  return out
}

/** A 32-bit number from a seed and a place (the finaliser of MurmurHash3). */
function scramble(seed: number, place: number): number {
  let x = (Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b) + Math.imul(place + 1, 0xc2b2ae35)) >>> 0
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b)
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35)
  return (x ^ (x >>> 16)) >>> 0
}
