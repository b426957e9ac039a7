/**
 * Append-only JSON lines with a `step` in each: one write per line, so that a killed process leaves at most one torn
 * line at the end. Reading leaves that line out; opening for more cuts it off together with all later steps than the
 * one a run continues from.
 *
 * JSON has no NaN or infinity; they are written as the strings "NaN", "Infinity" and "-Infinity" and read back as numbers.
 */
import { closeSync, mkdirSync, openSync, readFileSync, renameSync, writeFileSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import { InputError } from '../core/errors.ts'

export interface Stepped {
  readonly step: number
}

export interface LinesFile<T extends Stepped> {
  write(record: T): void
  close(): void
}

/**
 * @param after last step to keep; without it the file starts empty
 * @throws InputError when a line to keep is not a record
 */
export function openLines<T extends Stepped>(file: string, after?: number): LinesFile<T> {
  mkdirSync(dirname(file), { recursive: true })
  const kept = after === undefined ? [] : readLines<T>(file).filter((record) => record.step <= after)
  const temporary = `${file}.tmp`
  writeFileSync(temporary, kept.map(encode).join(''))
  renameSync(temporary, file)
  const handle = openSync(file, 'a')
  let open = true
  return {
    write: (record) => {
      writeSync(handle, encode(record))
    },
    close: () => {
      if (open) closeSync(handle)
      open = false
    },
  }
}

/** All records of a file, oldest first; a missing file has none. */
export function readLines<T extends Stepped>(file: string): T[] {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
  const lines = text.split('\n')
  const records: T[] = []
  for (const [index, line] of lines.entries()) {
    if (line === '') continue
    const record = decode(line)
    if (record) records.push(record as T)
    else if (index < lines.length - 1)
      throw new InputError(`${file}:${index + 1}`, 'a JSON object with a step', line, 'The file was changed by hand.')
  }
  return records
}

function encode(record: Stepped): string {
  const plain = (_key: string, value: unknown) =>
    typeof value === 'number' && !Number.isFinite(value) ? String(value) : value
  return `${JSON.stringify(record, plain)}\n`
}

const notFinite = new Map([
  ['NaN', Number.NaN],
  ['Infinity', Number.POSITIVE_INFINITY],
  ['-Infinity', Number.NEGATIVE_INFINITY],
])

function decode(line: string): Stepped | null {
  try {
    const value: unknown = JSON.parse(line)
    return typeof value === 'object' && value !== null && 'step' in value && Number.isFinite(value.step)
      ? (value as Stepped)
      : null
  } catch {
    return null
  }
}

/** The number behind a stored value: a number, or one of the three names of what JSON lacks. */
export function toNumber(value: unknown): number | undefined {
  return typeof value === 'number' ? value : typeof value === 'string' ? notFinite.get(value) : undefined
}
