/**
 * The row formats, in the order in which they are tried: the more columns a format asks for, the earlier. A new one is a
 * file with `defineFormat(...)`, one line here, and its name in src/config/data.ts.
 */
import { InputError } from '../../core/errors.ts'
import type { Format, RawRow } from './define.ts'
import { easyr1 } from './easyr1.ts'
import { openrlhf } from './openrlhf.ts'
import { r1V } from './r1_v.ts'
import { swift } from './swift.ts'
import { trl } from './trl.ts'
import { verl } from './verl.ts'
import { vlmR1 } from './vlm_r1.ts'

export type { Format, RawRow, RowParts } from './define.ts'
export { defineFormat } from './define.ts'

export const formats = { verl, trl, 'vlm-r1': vlmR1, swift, 'r1-v': r1V, easyr1, openrlhf }
export type FormatName = keyof typeof formats

/** The format that a row looks like. @throws InputError naming the row's columns when it looks like none. */
export function detectFormat(row: RawRow, where: string): Format {
  const found = Object.values(formats).find((format) => format.detect(row))
  if (found) return found
  const known = Object.values(formats).map(({ name, columns }) => `${name} (${columns})`)
  const remedy = 'Rename the columns, or name the format with data.format.'
  throw new InputError(where, `the columns of ${known.join(' or ')}`, Object.keys(row), remedy)
}
