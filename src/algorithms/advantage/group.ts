/**
 * Group-normalised advantage (GRPO, DeepSeekMath; Dr.GRPO with `none`; Lite-PPO with `batch`):
 *
 *   group: A_i = (r_i - mean_g) / (std_g + eps)      std with Bessel's correction
 *   batch: A_i = (r_i - mean_g) / (std_all + eps)
 *   none:  A_i =  r_i - mean_g
 *
 * The readable twin of the native kernel of the same name.
 */

export type AdvantageScale = 'group' | 'batch' | 'none'

export interface GroupAdvantageOptions {
  scale: AdvantageScale
  /** Added to the standard deviation; 1e-4 everywhere in the R1 family. */
  eps: number
}

/**
 * One advantage per row.
 *
 * @param rewards (B) one reward per completion; NaN = no reward function had a value: the row is left out of
 *   every mean and deviation and its advantage is 0.
 * @param groupIds (B) rows with the same id are completions of one prompt.
 *
 * A group with a single valued row, and a group whose rewards are all equal, has advantage exactly 0.
 *
 * @example
 * groupAdvantage([1, 0, 0, 1], [7, 7, 7, 7], { scale: 'none', eps: 1e-4 }) // [0.5, -0.5, -0.5, 0.5]
 */
export function groupAdvantage(
  rewards: ArrayLike<number>,
  groupIds: ArrayLike<number>,
  { scale, eps }: GroupAdvantageOptions,
): Float64Array {
  const rowsOf = new Map<number, number[]>()
  const all: number[] = []
  for (let i = 0; i < rewards.length; i++) {
    if (Number.isNaN(rewards[i])) continue
    const rows = rowsOf.get(groupIds[i]!)
    if (rows) rows.push(i)
    else rowsOf.set(groupIds[i]!, [i])
    all.push(rewards[i]!)
  }
  const batchStd = meanStd(all).std
  const advantages = new Float64Array(rewards.length)
  for (const rows of rowsOf.values()) {
    const { mean, std } = meanStd(rows.map((i) => rewards[i]!))
    const divisor = scale === 'none' ? 1 : (scale === 'group' ? std : batchStd) + eps
    for (const i of rows) advantages[i] = (rewards[i]! - mean) / divisor
  }
  return advantages
}

/** Mean and Bessel-corrected deviation, about the first value so that equal values give exactly (value, 0). */
export function meanStd(values: readonly number[]): { mean: number; std: number } {
  if (values.length === 0) return { mean: 0, std: 0 }
  const first = values[0]!
  const shift = values.reduce((sum, v) => sum + (v - first), 0) / values.length
  if (values.length === 1) return { mean: first, std: 0 }
  const squares = values.reduce((sum, v) => sum + (v - first - shift) ** 2, 0)
  return { mean: first + shift, std: Math.sqrt(squares / (values.length - 1)) }
}
