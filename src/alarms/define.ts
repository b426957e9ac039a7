/**
 * What an alarm is: a condition on the metrics of the last steps that experience says ends badly, and what to do about
 * it. One file per alarm; thresholds and actions are the configuration's (`alarms.<name>`).
 */

export type StepMetrics = Readonly<Record<string, number>>

/** What an alarm looks at. */
export interface AlarmView {
  /** Training records, oldest first; at most `historySteps` of them. */
  readonly steps: readonly StepMetrics[]
  /** Evaluation records, oldest first. */
  readonly evaluations: readonly StepMetrics[]
  /** The run's reward functions; one of weight 0 is a check that the others are held against. */
  readonly rewards: readonly { readonly name: string; readonly weight: number }[]
  /** One update per rollout: every ratio should be 1. */
  readonly onPolicy: boolean
}

/** Alarms see this many steps back. */
export const historySteps = 200

export interface Threshold {
  readonly default: number
  readonly about: string
}

export interface Alarm<T extends Record<string, Threshold> = Record<string, Threshold>> {
  /** Also its key in the configuration and in `alarms.jsonl`. */
  readonly name: string
  /** What is going wrong. */
  readonly about: string
  /** What to do, in words. */
  readonly remedy: string
  readonly thresholds: T
  /** Some completions, as the rewards read them, help to see why. */
  readonly examples?: true
  /** What was seen, with its numbers; null while all is well. */
  check(view: AlarmView, thresholds: { readonly [K in keyof T]: number }): string | null
}

/** Infers the thresholds' names. */
export function defineAlarm<T extends Record<string, Threshold>>(alarm: Alarm<T>): Alarm<T> {
  return alarm
}

/** The last `count` values of a metric, or null when that many records do not have it. */
export function lastValues(records: readonly StepMetrics[], metric: string, count: number): number[] | null {
  const values = records.slice(-count).flatMap((record) => record[metric] ?? [])
  return count > 0 && values.length === count ? values : null
}

export function meanOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}

export function medianOf(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

/** Numbers as a sentence shows them. */
export const shown = (value: number) => String(Number(value.toPrecision(3)))

/** The mean of the last `steps` values when it is above `limit`. */
export function meanAbove(view: AlarmView, metric: string, steps: number, limit: number): number | null {
  const values = lastValues(view.steps, metric, steps)
  const mean = values && meanOf(values)
  return mean !== null && mean > limit ? mean : null
}

/** The last value when it is above `factor` times the median of the `steps` before it, and above `least`. */
export function spike(view: AlarmView, metric: string, steps: number, factor: number, least: number) {
  const values = lastValues(view.steps, metric, steps + 1)
  if (!values) return null
  const last = values.at(-1)!
  const usual = medianOf(values.slice(0, -1))
  return last > least && last > factor * usual ? { last, usual } : null
}
