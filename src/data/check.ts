/** Looks over a whole dataset before a run starts, so that row 48,000 does not end it at night. */
import { stat } from 'node:fs/promises'
import { InputError } from '../core/errors.ts'
import type { Message, Row } from '../core/types.ts'

export interface RowsSummary {
  rows: number
  /** Images over all rows, and different image files among them. */
  images: number
  imageFiles: number
  answers: number
  targets: number
  /** Column kept for rewards -> rows that have it. */
  columns: Record<string, number>
  /** Image files that do not exist or are not files. */
  missing: string[]
  /** One per row at fault, in row order. */
  problems: InputError[]
}

const statsAtOnce = 64

/** Checks that every row's images exist and are as many as its placeholders. @throws nothing: see `problems`. */
export async function checkRows(rows: readonly Row[]): Promise<RowsSummary> {
  const missing = await missingFiles(new Set(rows.flatMap(imagePaths)))
  const columns = new Map<string, number>()
  for (const row of rows) for (const name of Object.keys(row.columns)) columns.set(name, (columns.get(name) ?? 0) + 1)
  return {
    rows: rows.length,
    images: rows.reduce((sum, { images }) => sum + images.length, 0),
    imageFiles: new Set(rows.flatMap(imagePaths)).size,
    answers: rows.filter(({ answer }) => answer !== null).length,
    targets: rows.filter(({ target }) => target !== null).length,
    columns: Object.fromEntries(columns),
    missing: [...missing],
    problems: rows.map((row) => problemOf(row, missing)).filter((problem) => problem !== null),
  }
}

/** @throws InputError the first problem, which says how many more there are. */
export function requireSound({ problems }: RowsSummary): void {
  const [first, ...others] = problems
  if (!first) return
  if (others.length === 0) throw first
  first.message += ` (and ${others.length} more rows at fault)`
  throw first
}

function problemOf(row: Row, missing: ReadonlySet<string>): InputError | null {
  const placeholders = countImages(row.messages)
  if (placeholders !== row.images.length)
    return new InputError(
      row.id,
      `as many images as placeholders (${placeholders})`,
      `${row.images.length} images`,
      'Each <image> in the text, or image block in the messages, stands for one image.',
    )
  const gone = imagePaths(row).find((path) => missing.has(path))
  if (gone === undefined) return null
  return new InputError(row.id, 'an existing image file', gone, 'Relative paths start from data.imageRoot.')
}

function countImages(messages: readonly Message[]): number {
  let count = 0
  for (const { content } of messages)
    if (typeof content !== 'string') count += content.filter(({ type }) => type === 'image').length
  return count
}

function imagePaths({ images }: Row): string[] {
  return images.flatMap((image) => ('bytes' in image || 'stored' in image ? [] : [image.path]))
}

async function missingFiles(paths: ReadonlySet<string>): Promise<Set<string>> {
  const missing = new Set<string>()
  const queue = paths.values()
  const work = async () => {
    for (const path of queue) if (!(await isFile(path))) missing.add(path)
  }
  await Promise.all(Array.from({ length: statsAtOnce }, work))
  return missing
}

async function isFile(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isFile()
  } catch {
    return false
  }
}
