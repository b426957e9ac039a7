/** Reads JSONL files of rows: one JSON object a line, in any format of formats/. */
import { dirname, isAbsolute, resolve } from 'node:path'
import { InputError } from '../core/errors.ts'
import type { ImageRef, Row } from '../core/types.ts'
import { detectFormat, type FormatName, formats, type RawRow } from './formats/index.ts'
import { readLines } from './lines.ts'
import { applyTemplate, type PromptTemplate } from './template.ts'

export interface ReadOptions extends PromptTemplate {
  /** Default `auto`: each row is read in the format that its columns look like. */
  format?: FormatName | 'auto'
  /** Where relative image paths start from; null or absent: the data file's folder. */
  imageRoot?: string | null
  /** Longest line; default 64 MiB (rows may hold images as base64). */
  maxLineBytes?: number
}

const defaultMaxLineBytes = 64 * 2 ** 20

/**
 * Rows of one file, as a stream. Blank lines are skipped; image paths come out absolute.
 *
 * @throws InputError naming `file:line` for JSON that does not parse, a line that is no object or too long, and columns that do not fit the format.
 * @example
 * for await (const row of readRows('data/train.jsonl')) console.log(row.id, row.answer)
 */
export async function* readRows(file: string, options: ReadOptions = {}): AsyncGenerator<Row> {
  const root = resolve(options.imageRoot ?? dirname(file))
  for await (const { number, text } of readLines(file, options.maxLineBytes ?? defaultMaxLineBytes)) {
    if (text.trim() === '') continue
    const where = `${file}:${number}`
    yield readRow(parseObject(text, where), where, root, options)
  }
}

/** All rows of all files, in order. @throws InputError as readRows does, and when there is not one row. */
export async function loadRows(files: readonly string[], options: ReadOptions = {}): Promise<Row[]> {
  const rows: Row[] = []
  for (const file of files) for await (const row of readRows(file, options)) rows.push(row)
  if (rows.length === 0)
    throw new InputError(files.join(', ') || 'data', 'at least one row', 'an empty dataset', 'Add rows to the file.')
  return rows
}

/** One parsed row. `imageRoot` is an absolute folder; the raw row is left as it is. */
export function readRow(raw: RawRow, where: string, imageRoot: string, options: ReadOptions = {}): Row {
  const named = options.format ?? 'auto'
  const format = named === 'auto' ? detectFormat(raw, where) : formats[named]
  const { messages, images, answer, target, used } = format.read(raw, where)
  return {
    id: where,
    messages: applyTemplate(messages, options),
    images: images.map((image) => resolveImage(image, imageRoot)),
    answer,
    target,
    columns: Object.freeze(Object.fromEntries(Object.entries(raw).filter(([name]) => !used.includes(name)))),
  }
}

function parseObject(text: string, where: string): RawRow {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    const remedy = `${(cause as Error).message}. Each line is one JSON object.`
    throw new InputError(where, 'a JSON object', text.trim(), remedy, { cause })
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new InputError(where, 'a JSON object', value, 'Each line is one JSON object.')
  return value as RawRow
}

function resolveImage(image: ImageRef, root: string): ImageRef {
  if ('bytes' in image) return image
  return { path: isAbsolute(image.path) ? image.path : resolve(root, image.path) }
}
