/** What an advantage rule is: one number per completion from the rewards of its group. */

/** Columns (B), one value per completion. */
export interface RewardColumns {
  /** NaN = no reward function had a value: the row is left out of every mean and its advantage is 0. */
  rewards: ArrayLike<number>
  /** Rows with the same id are completions of one prompt, in any order. */
  groupIds: ArrayLike<number>
  /** Trained tokens; for `opo`. */
  lengths?: ArrayLike<number>
  /** Reward of the prompt's greedy completion, NaN = none; for `remax`. */
  baselines?: ArrayLike<number>
}

export interface AdvantageOptions {
  scale: AdvantageScale
  /** Added to a standard deviation. */
  eps: number
  /** Subtracted from the count in a variance; 1 = Bessel's correction, as everywhere in the field. */
  ddof: 0 | 1
}
export type AdvantageScale = 'group' | 'batch' | 'none'

/** The valued rows of one group, and the batch they belong to. */
export interface RewardGroup {
  rewards: number[]
  lengths: number[]
  baselines: number[]
  /** Valued rewards of the whole batch. */
  batch: readonly number[]
}

export interface Advantage<K extends string = string> {
  readonly kind: K
  readonly source: string
  /** One advantage per row of the group. */
  compute(group: RewardGroup, options: AdvantageOptions): number[]
}

export const defineAdvantage = <K extends string>(advantage: Advantage<K>): Advantage<K> => advantage

/** Mean and deviation, about the first value so that equal values give exactly (value, 0). */
export function meanStd(values: readonly number[], ddof: 0 | 1 = 1): { mean: number; std: number } {
  if (values.length === 0) return { mean: 0, std: 0 }
  const first = values[0]!
  const shift = values.reduce((sum, v) => sum + (v - first), 0) / values.length
  if (values.length <= ddof) return { mean: first, std: 0 }
  const squares = values.reduce((sum, v) => sum + (v - first - shift) ** 2, 0)
  return { mean: first + shift, std: Math.sqrt(squares / (values.length - ddof)) }
}
