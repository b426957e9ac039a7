/** What a row format is, and the readers of values that formats share. */
import { fileURLToPath } from 'node:url'
import { InputError } from '../../core/errors.ts'
import type { ImageRef, Message } from '../../core/types.ts'

/** A row as it was parsed: any JSON object. Never changed. */
export type RawRow = Readonly<Record<string, unknown>>

/** What a format makes of a row. */
export interface RowParts {
  messages: Message[]
  images: ImageRef[]
  answer: string | null
  target: string | null
  /** Columns that went into the parts above; the others are kept for reward functions. */
  used: readonly string[]
}

export interface Format {
  readonly name: string
  /** The columns it needs, for the message when no format fits. */
  readonly columns: string
  /** Whether a row looks like this format, by its column names and their types. */
  detect(row: RawRow): boolean
  /** @throws InputError at `where` (`file.jsonl:12`) for a value it cannot use. */
  read(row: RawRow, where: string): RowParts
}

export const defineFormat = (format: Format): Format => Object.freeze(format)

/** A row's column when it has one of its own: rows come from files and may name `__proto__`. */
export function column(row: RawRow, name: string): unknown {
  return Object.hasOwn(row, name) ? (row[name] ?? undefined) : undefined
}

/** The first of `names` that the row has a value for. */
export function firstColumn(row: RawRow, names: readonly string[]): string | null {
  return names.find((name) => column(row, name) !== undefined) ?? null
}

/** A ground truth as text: strings as they are, other JSON values as JSON. */
export function asAnswer(value: unknown): string | null {
  if (value === undefined || value === null) return null
  return typeof value === 'string' ? value : JSON.stringify(value)
}

export function asText(value: unknown, where: string): string {
  if (typeof value !== 'string') throw new InputError(where, 'a text', value, 'Write it in quotes.')
  return value
}

/** Reads `image` / `images`: one value or a list of paths, data URIs, or `{path}` / `{bytes}` records. */
export function readImages(value: unknown, where: string): ImageRef[] {
  if (value === undefined || value === null) return []
  if (!Array.isArray(value)) return [readImage(value, where)]
  return value.map((item, k) => readImage(item, `${where}[${k}]`))
}

export function readImage(value: unknown, where: string): ImageRef {
  if (value instanceof Uint8Array) return { bytes: value }
  if (typeof value === 'string') return readImageText(value, where)
  if (typeof value === 'object' && value !== null) {
    const { path, bytes } = value as { path?: unknown; bytes?: unknown }
    const named = typeof path === 'string' && path !== '' ? { path } : {}
    if (bytes instanceof Uint8Array) return { ...named, bytes }
    if (typeof bytes === 'string' && bytes !== '') return { ...named, bytes: base64(bytes, `${where}.bytes`) }
    if (named.path !== undefined) return readImageText(named.path, `${where}.path`)
  }
  throw new InputError(where, 'a path, a data URI, or a record with path or bytes', value, 'One image is one of these.')
}

function readImageText(text: string, where: string): ImageRef {
  if (text === '' || text.includes('\0'))
    throw new InputError(where, 'an image path', text, 'Name a file, from data.imageRoot on.')
  if (/^https?:/i.test(text))
    throw new InputError(where, 'a file path', text, 'Remote images are not fetched: download them first.')
  const uri = /^data:image\/[\w.+-]+;base64,/.exec(text.slice(0, 100))
  if (uri) return { bytes: base64(text.slice(uri[0].length), where) }
  return { path: /^file:/i.test(text) ? fileOfUrl(text, where) : text }
}

function fileOfUrl(url: string, where: string): string {
  try {
    return fileURLToPath(url)
  } catch (cause) {
    throw new InputError(where, 'a file URL', url, (cause as Error).message, { cause })
  }
}

function base64(text: string, where: string): Uint8Array {
  const bytes = Buffer.from(text, 'base64')
  if (bytes.length === 0 || bytes.length < Math.floor(text.replace(/=+$/, '').length * 0.75))
    throw new InputError(where, 'base64 text', text, 'It is cut off or not base64.')
  return new Uint8Array(bytes)
}
