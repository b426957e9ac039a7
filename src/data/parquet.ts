/**
 * Rows of a parquet file, one row group at a time. Bytes stay bytes (embedded images), 64-bit whole numbers become
 * numbers where they fit and text where they do not, dates become ISO text.
 */
import type { AsyncBuffer, FileMetaData } from 'hyparquet'
import { InputError } from '../core/errors.ts'
import type { StoredBytes } from '../core/types.ts'
import type { RawRow } from './formats/index.ts'
import type { PlacedRow } from './raw_rows.ts'

const deepest = 32
/** Row groups whose images are kept at hand when images are read from the file again. */
const groupsAtHand = 2

/** @throws InputError for a file that is missing, no parquet, or damaged. */
export async function* readParquet(path: string): AsyncGenerator<PlacedRow> {
  const file = await ParquetFile.open(path)
  for (const [group, start] of file.starts.entries()) {
    const rows = await file.rows(group)
    for (const [k, raw] of rows.entries()) {
      const where = `${path}:${start + k + 1}`
      yield { where, raw, stored: (bytes) => file.stored(bytes, raw, group, k, where) }
    }
  }
}

/** Names of columns and places in lists that lead to a value within a row. */
type Place = readonly (string | number)[]

class ParquetFile {
  /** Index of each row group's first row. */
  readonly starts: number[] = []
  /** Column and row group -> its rows; the last used are last. */
  private readonly atHand = new Map<string, Promise<RawRow[]>>()

  private constructor(
    private readonly path: string,
    private readonly buffer: AsyncBuffer,
    private readonly metadata: FileMetaData,
  ) {
    let start = 0
    for (const group of metadata.row_groups) {
      this.starts.push(start)
      start += Number(group.num_rows)
    }
  }

  static async open(path: string): Promise<ParquetFile> {
    try {
      const { asyncBufferFromFile, parquetMetadataAsync } = await import('hyparquet')
      const buffer = await asyncBufferFromFile(path)
      return new ParquetFile(path, buffer, await parquetMetadataAsync(buffer))
    } catch (cause) {
      throw damaged(path, cause)
    }
  }

  /** Rows of a group with all their columns, or with one. */
  async rows(group: number, column?: string): Promise<RawRow[]> {
    const { parquetReadObjects } = await import('hyparquet')
    const { compressors } = await import('hyparquet-compressors')
    const rowStart = this.starts[group]!
    const rowEnd = rowStart + Number(this.metadata.row_groups[group]!.num_rows)
    const rows = await parquetReadObjects({
      ...{ file: this.buffer, metadata: this.metadata, compressors, rowStart, rowEnd },
      // utf8: false keeps columns of plain bytes as bytes; text columns say that they are text.
      ...{ utf8: false, ...(column === undefined ? {} : { columns: [column] }) },
    }).catch((cause) => {
      throw damaged(this.path, cause)
    })
    return rows.map((row) => plain(row, 0) as RawRow)
  }

  /** The way back to bytes of a row, for the time after it is forgotten; `null` when they are not of this row. */
  stored(bytes: Uint8Array, row: RawRow, group: number, k: number, where: string): StoredBytes | null {
    const place = placeOf(row, bytes, [])
    if (!place) return null
    const read = async () => {
      const found = valueAt((await this.again(group, String(place[0])))[k], place)
      if (found instanceof Uint8Array && found.length === bytes.length) return found
      throw new InputError(where, 'the bytes that were there at the start', 'others', 'The file changed meanwhile.')
    }
    const { length: size } = bytes
    return { key: `${where} ${place.join('.')}`, size, read }
  }

  private again(group: number, column: string): Promise<RawRow[]> {
    const key = `${group} ${column}`
    const rows = this.atHand.get(key) ?? this.rows(group, column)
    this.atHand.delete(key)
    this.atHand.set(key, rows)
    rows.catch(() => this.atHand.delete(key))
    const [oldest] = this.atHand.keys()
    if (this.atHand.size > groupsAtHand) this.atHand.delete(oldest!)
    return rows
  }
}

function damaged(path: string, cause: unknown): InputError {
  const code = (cause as NodeJS.ErrnoException).code
  const received = code ?? (cause as Error).message
  const remedy = code ? 'Check the paths in the data section.' : 'The file is damaged, or no parquet.'
  return new InputError(path, 'a readable parquet file', received, remedy, { cause })
}

function placeOf(value: unknown, bytes: Uint8Array, place: Place): Place | null {
  if (value === bytes) return place
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return null
  for (const [name, item] of Object.entries(value)) {
    const found = placeOf(item, bytes, [...place, Array.isArray(value) ? Number(name) : name])
    if (found) return found
  }
  return null
}

const valueAt = (row: unknown, place: Place): unknown =>
  place.reduce<unknown>((value, name) => (value as Record<string, unknown> | undefined)?.[name], row)

function plain(value: unknown, depth: number): unknown {
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : String(value)
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? null : value.toISOString()
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array || depth > deepest) return value
  if (ArrayBuffer.isView(value)) return [...(value as unknown as Iterable<unknown>)]
  if (Array.isArray(value)) return value.map((item) => plain(item, depth + 1))
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, plain(item, depth + 1)]))
}
