/**
 * Seeded random numbers: xoshiro128** (Blackman, Vigna 2018), 32-bit integer arithmetic only, so that a seed
 * means the same order on every machine. The state is filled by splitmix32 from the seed and any further keys.
 */
export interface Random {
  /** Uniform in [0, 2^32). */
  bits(): number
  /** Uniform in [0, 1) with 32 bits. */
  unit(): number
  /** Uniform integer in [0, n), without bias; n from 1 to 2^32. */
  below(n: number): number
  /** A uniform choice. */
  pick<T>(items: readonly T[]): T
}

/** A stream of its own for every different list of keys; keys are integers. */
export function createRandom(...keys: number[]): Random {
  const [a, b, c, d] = seedState(keys)
  let s0 = a
  let s1 = b
  let s2 = c
  let s3 = d
  const bits = () => {
    const result = Math.imul(rotl(Math.imul(s1, 5), 7), 9) >>> 0
    const t = s1 << 9
    s2 ^= s0
    s3 ^= s1
    s1 ^= s2
    s0 ^= s3
    s2 ^= t
    s3 = rotl(s3, 11)
    return result
  }
  const below = (n: number) => {
    const fair = 2 ** 32 - (2 ** 32 % n)
    let value = bits()
    while (value >= fair) value = bits()
    return value % n
  }
  return { bits, below, unit: () => bits() / 2 ** 32, pick: (items) => items[below(items.length)]! }
}

/** 0..n-1 in a uniform random order (Fisher-Yates). */
export function permutation(n: number, random: Random): Uint32Array {
  const order = Uint32Array.from({ length: n }, (_, k) => k)
  for (let k = n - 1; k > 0; k--) {
    const other = random.below(k + 1)
    const held = order[k]!
    order[k] = order[other]!
    order[other] = held
  }
  return order
}

const rotl = (x: number, k: number) => (x << k) | (x >>> (32 - k))

/** Four words from the keys; both halves of a key count, so that seeds above 2^32 differ too. */
function seedState(keys: readonly number[]): [number, number, number, number] {
  let state = 0x9e3779b9
  for (const key of keys) for (const half of [key >>> 0, Math.floor(key / 2 ** 32) >>> 0]) state = mix(state ^ half)
  const word = (k: number) => mix((state + Math.imul(k, 0x9e3779b9)) | 0)
  return [word(1), word(2), word(3), word(4) | 1]
}

/** The output function of splitmix32, after one step of its counter. */
function mix(value: number): number {
  let z = (value + 0x9e3779b9) | 0
  z = Math.imul(z ^ (z >>> 16), 0x21f0aaad)
  z = Math.imul(z ^ (z >>> 15), 0x735a2d97)
  return z ^ (z >>> 15)
}
