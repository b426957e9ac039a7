/** Sentences that follow from numbers. */
import type { Estimate } from '../evaluation/statistics.ts'
import { type ArmResult, changeOf } from './results.ts'

/** `4.3 points (1.2 to 7.4)`. */
export function points({ value, low, high }: Estimate): string {
  const one = (share: number) => (share * 100).toFixed(1)
  return `${one(value)} points (${one(low)} to ${one(high)})`
}

/** `+4.3 (1.2 to 7.4)`, in points, for tables. */
export function signedPoints({ value, low, high }: Estimate): string {
  const one = (share: number) => (share * 100).toFixed(1)
  return `${value >= 0 ? '+' : ''}${one(value)} (${one(low)} to ${one(high)})`
}

/** Whether an interval leaves out 0. */
export const isClear = ({ low, high }: Estimate): boolean => low > 0 || high < 0

/**
 * Which of two arms is ahead on the same rows, or that it does not show.
 *
 * @param kinds of question; absent: all
 * @param what e.g. `on questions not trained on`
 * @example `PPO ends 4.3 points (1.2 to 7.4) above GRPO`
 */
export function whoIsAhead(a: ArmResult, b: ArmResult, kinds?: readonly string[], what = ''): string {
  const difference = changeOf(b.answers, a.answers, kinds)
  const where = what === '' ? '' : ` ${what}`
  if (!isClear(difference))
    return `no difference seen between ${a.arm.label} and ${b.arm.label}${where}: the first minus the second is ${points(difference)}`
  const [ahead, behind] = difference.value > 0 ? [a, b] : [b, a]
  const { value, low, high } = changeOf(behind.answers, ahead.answers, kinds)
  return `${ahead.arm.label} ends ${points({ value, low, high })} above ${behind.arm.label}${where}`
}

/** First letter large, a full stop behind. */
export const sentence = (text: string): string => `${text.charAt(0).toUpperCase()}${text.slice(1)}.`
