/** Reads datasets: files, folders and hub sets of rows in any format of formats/. */
import { isAbsolute, resolve } from 'node:path'
import { InputError } from '../core/errors.ts'
import type { ImageRef, Row, StoredBytes } from '../core/types.ts'
import { detectFormat, type FormatName, formats, type RawRow } from './formats/index.ts'
import { rawRows } from './raw_rows.ts'
import { resolveSources } from './sources.ts'
import { applyTemplate, type PromptTemplate } from './template.ts'

export interface ReadOptions extends PromptTemplate {
  /** Default `auto`: each row is read in the format that its columns look like. */
  format?: FormatName | 'auto'
  /** Where relative image paths start from; null or absent: the folder of the data file, or the dataset folder. */
  imageRoot?: string | null
  /** Longest line of JSONL; default 64 MiB (rows may hold images as base64). */
  maxLineBytes?: number
  /** Bytes of images embedded in parquet that are kept per source; the others are read again when needed. Default 1 GiB. */
  embeddedImageBytes?: number
  /** Told the format of each row that was read. */
  onFormat?: (format: FormatName) => void
  /** Takes the rows that cannot be read, which are left out then; absent: the first of them is thrown. */
  onProblem?: (problem: InputError) => void
}

/**
 * Rows of one file, dataset folder or hub set, with `@split` behind its name where it has several, as a stream. Blank
 * lines are skipped; image paths come out absolute.
 *
 * @throws InputError naming `file:row` for JSON that does not parse, a line that is no object or too long, and columns that do not fit the format.
 * @example
 * for await (const row of readRows('data/train.jsonl')) console.log(row.id, row.answer)
 */
export async function* readRows(spec: string, options: ReadOptions = {}): AsyncGenerator<Row> {
  let room = options.embeddedImageBytes ?? 2 ** 30
  for (const { file, root } of await resolveSources(spec)) {
    const imageRoot = options.imageRoot ? resolve(options.imageRoot) : root
    for await (const { where, raw, stored } of rawRows(file, options.maxLineBytes)) {
      try {
        if (raw instanceof InputError) throw raw
        const row = readRow(raw, where, imageRoot, options)
        room -= embeddedBytes(row)
        if (room < 0 && stored) row.images = row.images.map((image) => leaveInFile(image, stored))
        yield row
      } catch (error) {
        if (!options.onProblem || !(error instanceof InputError)) throw error
        options.onProblem(error)
      }
    }
  }
}

/** All rows of all sources, in order. @throws InputError as readRows does, and when there is not one row. */
export async function loadRows(files: readonly string[], options: ReadOptions = {}): Promise<Row[]> {
  const rows: Row[] = []
  let problems = 0
  const onProblem =
    options.onProblem &&
    ((problem: InputError) => {
      problems++
      options.onProblem!(problem)
    })
  for (const file of files)
    for await (const row of readRows(file, { ...options, ...(onProblem ? { onProblem } : {}) })) rows.push(row)
  if (rows.length === 0 && problems === 0)
    throw new InputError(files.join(', ') || 'data', 'at least one row', 'an empty dataset', 'Add rows to the file.')
  return rows
}

/** One parsed row. `imageRoot` is an absolute folder; the raw row is left as it is. */
export function readRow(raw: RawRow, where: string, imageRoot: string, options: ReadOptions = {}): Row {
  const named = options.format ?? 'auto'
  const format = named === 'auto' ? detectFormat(raw, where) : formats[named]
  const { messages, images, answer, target, used } = format.read(raw, where)
  options.onFormat?.(format.name as FormatName)
  return {
    id: where,
    messages: applyTemplate(messages, options),
    images: images.map((image) => resolveImage(image, imageRoot)),
    answer,
    target,
    columns: Object.freeze(Object.fromEntries(Object.entries(raw).filter(([name]) => !used.includes(name)))),
  }
}

function resolveImage(image: ImageRef, root: string): ImageRef {
  if ('bytes' in image || 'stored' in image) return image
  return { path: isAbsolute(image.path) ? image.path : resolve(root, image.path) }
}

const embeddedBytes = ({ images }: Row): number =>
  images.reduce((sum, image) => sum + ('bytes' in image ? image.bytes.length : 0), 0)

function leaveInFile(image: ImageRef, stored: (bytes: Uint8Array) => StoredBytes | null): ImageRef {
  const found = 'bytes' in image ? stored(image.bytes) : null
  return found ? { stored: found, ...(image.path === undefined ? {} : { path: image.path }) } : image
}
