/** Reading the ground truth of a row: its answer, or one of its other columns. */
import type { RewardInput } from './define.ts'

/** A column the row has itself: rows come from files and may name `__proto__`. */
export function columnOf({ columns }: RewardInput, name: string): unknown {
  return Object.hasOwn(columns, name) ? columns[name] : undefined
}

/** The named column, or the row's answer when the name is empty. `null` and missing are the same. */
export function truthOf(input: RewardInput, column: string): unknown {
  return (column === '' ? input.answer : columnOf(input, column)) ?? null
}

/** A value of a row as text: JSON for what is no text. */
export function asText(value: unknown): string {
  if (typeof value === 'string') return value
  return JSON.stringify(value, (_, item) => (typeof item === 'bigint' ? Number(item) : item)) ?? ''
}

/** Alternatives that a row accepts: a list, a JSON list in text, or one value. */
export function alternativesOf(value: unknown): string[] {
  if (Array.isArray(value)) return value.map(asText)
  const text = asText(value)
  if (!text.startsWith('[') || text.length > 100_000) return [text]
  try {
    const parsed: unknown = JSON.parse(text)
    return Array.isArray(parsed) ? parsed.map(asText) : [text]
  } catch {
    return [text]
  }
}
