/** The rows of one data file as they stand in it: JSON lines, a JSON list, or parquet. */
import { readFile, stat } from 'node:fs/promises'
import { extname } from 'node:path'
import { InputError } from '../core/errors.ts'
import type { StoredBytes } from '../core/types.ts'
import type { RawRow } from './formats/index.ts'
import { readLines } from './lines.ts'
import { readParquet } from './parquet.ts'

export interface PlacedRow {
  /** `file.jsonl:12`; for JSON lists and parquet the row's number, from 1. */
  where: string
  /** The row, or why it is none. */
  raw: RawRow | InputError
  /** A way to leave bytes of the row in the file; absent: they can only be kept. */
  stored?: (bytes: Uint8Array) => StoredBytes | null
}

const defaultMaxLineBytes = 64 * 2 ** 20
const largestJsonList = 2 ** 30

/** Kinds of files that hold rows. */
export const rowExtensions = ['.jsonl', '.ndjson', '.json', '.parquet'] as const

/** @throws InputError for a file that cannot be read at all; a bad line of JSON comes as an error in its place. */
export function rawRows(file: string, maxLineBytes = defaultMaxLineBytes): AsyncGenerator<PlacedRow> {
  const extension = extname(file).toLowerCase()
  if (extension === '.parquet') return readParquet(file)
  return extension === '.json' ? readJson(file, maxLineBytes) : readJsonLines(file, maxLineBytes)
}

async function* readJsonLines(file: string, maxLineBytes: number): AsyncGenerator<PlacedRow> {
  for await (const { number, text } of readLines(file, maxLineBytes)) {
    if (text.trim() === '') continue
    const where = `${file}:${number}`
    yield { where, raw: parseLine(text, where) }
  }
}

function parseLine(text: string, where: string): RawRow | InputError {
  try {
    return asRow(JSON.parse(text), where, 'Each line is one JSON object.')
  } catch (cause) {
    const remedy = `${(cause as Error).message}. Each line is one JSON object.`
    return new InputError(where, 'a JSON object', text.trim(), remedy, { cause })
  }
}

/** A list of rows, a record with the list in `data` or `rows`, or JSON lines under the name of a list. */
async function* readJson(file: string, maxLineBytes: number): AsyncGenerator<PlacedRow> {
  const info = await stat(file).catch(() => null)
  if (info && info.size > largestJsonList)
    throw new InputError(file, `a JSON list of at most ${largestJsonList} bytes`, info.size, 'Write it as JSON lines.')
  const list = info ? jsonList(await readFile(file, 'utf8')) : null
  if (!list) return yield* readJsonLines(file, maxLineBytes)
  for (const [k, value] of list.entries()) {
    const where = `${file}:${k + 1}`
    yield { where, raw: asRow(value, where, 'Each entry of the list is one row.') }
  }
}

function jsonList(text: string): unknown[] | null {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return null
  }
  if (Array.isArray(value)) return value
  const { data, rows } = (value ?? {}) as { data?: unknown; rows?: unknown }
  return Array.isArray(data) ? data : Array.isArray(rows) ? rows : null
}

function asRow(value: unknown, where: string, remedy: string): RawRow | InputError {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return new InputError(where, 'a JSON object', value, remedy)
  return value as RawRow
}
