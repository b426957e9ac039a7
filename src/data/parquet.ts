/**
 * Rows of a parquet file, one row group at a time. Bytes stay bytes (embedded images), 64-bit whole numbers become
 * numbers where they fit and text where they do not, dates become ISO text.
 */
import { InputError } from '../core/errors.ts'
import type { RawRow } from './formats/index.ts'
import type { PlacedRow } from './raw_rows.ts'

const deepest = 32

/** @throws InputError for a file that is missing, no parquet, or damaged. */
export async function* readParquet(file: string): AsyncGenerator<PlacedRow> {
  const { asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects } = await import('hyparquet')
  const { compressors } = await import('hyparquet-compressors')
  const damaged = (cause: unknown) => {
    const code = (cause as NodeJS.ErrnoException).code
    const received = code ?? (cause as Error).message
    const remedy = code ? 'Check the paths in the data section.' : 'The file is damaged, or no parquet.'
    return new InputError(file, 'a readable parquet file', received, remedy, { cause })
  }
  const open = async () => {
    const buffer = await asyncBufferFromFile(file)
    return { buffer, metadata: await parquetMetadataAsync(buffer) }
  }
  const { buffer, metadata } = await open().catch((cause) => {
    throw damaged(cause)
  })
  let rowStart = 0
  for (const group of metadata.row_groups) {
    const rowEnd = rowStart + Number(group.num_rows)
    // utf8: false keeps columns of plain bytes as bytes; text columns say that they are text.
    const options = { file: buffer, metadata, compressors, rowStart, rowEnd, utf8: false }
    const rows = await parquetReadObjects(options).catch((cause) => {
      throw damaged(cause)
    })
    for (const [k, row] of rows.entries()) yield { where: `${file}:${rowStart + k + 1}`, raw: plain(row, 0) as RawRow }
    rowStart = rowEnd
  }
}

function plain(value: unknown, depth: number): unknown {
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : String(value)
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? null : value.toISOString()
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array || depth > deepest) return value
  if (ArrayBuffer.isView(value)) return [...(value as unknown as Iterable<unknown>)]
  if (Array.isArray(value)) return value.map((item) => plain(item, depth + 1))
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, plain(item, depth + 1)]))
}
