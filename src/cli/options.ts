/** Option values shared by the commands, checked when the command line is read. */
import { InvalidArgumentError } from 'commander'

/** A whole number from `min` on. */
export const wholeNumber =
  (min = 0) =>
  (text: string): number => {
    const value = Number(text)
    if (!/^\d+$/.test(text) || value < min || !Number.isSafeInteger(value))
      throw new InvalidArgumentError(`Expected a whole number from ${min} on.`)
    return value
  }

/** A number from `min` to `max`. */
export const numberBetween =
  (min: number, max = Number.POSITIVE_INFINITY) =>
  (text: string): number => {
    const value = text.trim() === '' ? Number.NaN : Number(text)
    if (!(value >= min && value <= max))
      throw new InvalidArgumentError(`Expected a number from ${min}${Number.isFinite(max) ? ` to ${max}` : ' on'}.`)
    return value
  }

export const oneOf =
  <const T extends string>(...names: T[]) =>
  (text: string): T => {
    if (!(names as string[]).includes(text)) throw new InvalidArgumentError(`Expected one of ${names.join(', ')}.`)
    return text as T
  }

/** Options that may be given several times. */
export const collect = (text: string, before: string[] = []): string[] => [...before, text]

/** A `--set` assignment for a key that has an option of its own. */
export const assign = (key: string, value: unknown): string[] =>
  value === undefined ? [] : [`${key}=${JSON.stringify(value)}`]
