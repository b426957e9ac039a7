/**
 * The row formats, in the order in which they are tried: a row with `prompt` is read by it whatever else it has. A new one is a file with `defineFormat(...)` and one line here.
 */
import { InputError } from '../../core/errors.ts'
import type { Format, RawRow } from './define.ts'
import { easyr1 } from './easyr1.ts'
import { trl } from './trl.ts'

export type { Format, RawRow, RowParts } from './define.ts'
export { defineFormat } from './define.ts'

export const formats = { trl, easyr1 }
export type FormatName = keyof typeof formats

/** The format that a row looks like. @throws InputError naming the row's columns when it looks like none. */
export function detectFormat(row: RawRow, where: string): Format {
  const found = Object.values(formats).find((format) => format.detect(row))
  if (found) return found
  const known = Object.values(formats).map(({ name, columns }) => `${name} (${columns})`)
  throw new InputError(where, `the columns of ${known.join(' or ')}`, Object.keys(row), 'Rename the columns.')
}
