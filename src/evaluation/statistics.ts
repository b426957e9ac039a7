/** What can be said about a model from a number of rows: estimates with 95 % confidence intervals. */
import { InputError } from '../core/errors.ts'

export interface Estimate {
  value: number
  low: number
  high: number
}

const Z = 1.959964

/**
 * A share of right answers, with Wilson's interval: right for few rows and for shares near 0 and 1.
 *
 * @example proportion(8, 10) // { value: 0.8, low: 0.49, high: 0.943 }
 */
export function proportion(right: number, rows: number): Estimate {
  if (rows === 0) return { value: 0, low: 0, high: 1 }
  const share = right / rows
  const scale = 1 + Z ** 2 / rows
  const middle = (share + Z ** 2 / (2 * rows)) / scale
  const half = (Z / scale) * Math.sqrt((share * (1 - share)) / rows + (Z / (2 * rows)) ** 2)
  return { value: share, low: Math.max(0, middle - half), high: Math.min(1, middle + half) }
}

/**
 * The mean of one value per row in [0, 1]. Samples of one prompt are not independent, so the row is the unit: the
 * interval is normal with the deviation between rows, and Wilson's where all rows agree and that would have no width.
 */
export function meanOfRows(values: readonly number[]): Estimate {
  const rows = values.length
  const mean = rows === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / rows
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0)
  if (rows < 2 || squares === 0) return { ...proportion(mean * rows, rows), value: mean }
  const half = Z * Math.sqrt(squares / (rows - 1) / rows)
  return { value: mean, low: Math.max(0, mean - half), high: Math.min(1, mean + half) }
}

/**
 * Mean of after - before over the same rows: what rows have in common falls out, so the interval is narrower than those of
 * the two shares suggest. Normal, with the deviation between rows.
 *
 * @param before one value in [0, 1] per row, e.g. 1 = right
 * @param after of the same rows in the same order
 * @throws InputError when the two are not equally long.
 * @example pairedDifference([0, 0, 1, 1], [1, 1, 1, 1]).value // 0.5
 */
export function pairedDifference(before: readonly number[], after: readonly number[]): Estimate {
  if (before.length !== after.length)
    throw new InputError('pairedDifference', `${before.length} values, as many as before`, after.length)
  const rows = before.length
  if (rows < 2) return { value: rows === 0 ? 0 : after[0]! - before[0]!, low: -1, high: 1 }
  const differences = before.map((value, i) => after[i]! - value)
  const mean = differences.reduce((sum, d) => sum + d, 0) / rows
  const squares = differences.reduce((sum, d) => sum + (d - mean) ** 2, 0)
  const half = Z * Math.sqrt(squares / (rows - 1) / rows)
  return { value: mean, low: Math.max(-1, mean - half), high: Math.min(1, mean + half) }
}

/**
 * Chance that at least one of k samples is right, without bias from n >= k samples of which c are: 1 - C(n-c, k) / C(n, k)
 * (Chen et al., arXiv 2107.03374).
 */
export function passAtK(n: number, c: number, k: number): number {
  if (n - c < k) return 1
  let none = 1
  for (let i = n - c + 1; i <= n; i++) none *= 1 - k / i
  return 1 - none
}

/**
 * How right the most frequent answer is: the share of right ones among its samples; with a tie, the mean over the tied
 * answers, which is what choosing one of them by chance gives.
 *
 * @param same whether two answers are one; the first answer of a group stands for it.
 */
export function majorityRight<T>(
  samples: readonly { answer: T; right: number }[],
  same: (a: T, b: T) => boolean,
): number {
  const groups: { answer: T; rights: number[] }[] = []
  for (const { answer, right } of samples) {
    const own = groups.find((group) => same(group.answer, answer))
    if (own) own.rights.push(right)
    else groups.push({ answer, rights: [right] })
  }
  const most = Math.max(0, ...groups.map(({ rights }) => rights.length))
  const first = groups.filter(({ rights }) => rights.length === most)
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length
  return first.length === 0 ? 0 : mean(first.map(({ rights }) => mean(rights)))
}
