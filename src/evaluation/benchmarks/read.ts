/** Reads benchmarks from the folders they are published as: JSON, JSON lines, or parquet. Nothing is fetched. */

import { readdir, readFile, stat } from 'node:fs/promises'
import { basename, dirname, isAbsolute, join } from 'node:path'
import { InputError } from '../../core/errors.ts'
import type { ImageRef, Row } from '../../core/types.ts'
import { readImages } from '../../data/formats/define.ts'
import { readParquet } from '../../data/parquet.ts'
import { type Benchmark, type RawItem, toRow } from './define.ts'

/**
 * The rows of a benchmark.
 *
 * @param place its folder, or one file of it.
 * @param instruction how to answer; `null` = the benchmark's own.
 * @throws InputError when no file of it is there, or a record cannot be used.
 */
export async function readBenchmark(benchmark: Benchmark, place: string, instruction: string | null): Promise<Row[]> {
  const rows: Row[] = []
  for (const file of await findFiles(benchmark, place))
    for (const [i, item] of (await readItems(file)).entries()) {
      const where = `${file}:${i + 1}`
      const read = benchmark.read(item, where)
      if (!read) continue
      const images = read.images.map((image) => beside(image, dirname(file)))
      rows.push(toRow({ ...read, images }, where, instruction ?? benchmark.instruction))
    }
  if (rows.length === 0) throw new InputError(place, `rows of ${benchmark.name}`, 'none')
  return rows
}

async function findFiles({ name, files }: Benchmark, place: string): Promise<string[]> {
  const info = await stat(place).catch(() => null)
  if (info?.isFile()) return [place]
  if (!info)
    throw new InputError(place, `the folder of ${name}`, 'nothing', 'Download the benchmark and name its folder')
  for (const pattern of files) {
    const found = await matches(place, pattern.split('/'))
    if (found.length > 0) return found
  }
  throw new InputError(
    place,
    `one of ${files.join(', ')}`,
    'none of them',
    'Name the folder that the benchmark came as',
  )
}

/** `*` stands for any text within one part of a path. */
async function matches(folder: string, [part, ...rest]: readonly string[]): Promise<string[]> {
  const names = (await readdir(folder).catch(() => [])).filter((name) => fits(name, part!)).sort()
  const paths = names.map((name) => join(folder, name))
  if (rest.length === 0) return paths
  return (await Promise.all(paths.map((path) => matches(path, rest)))).flat()
}

function fits(name: string, pattern: string): boolean {
  const pieces = pattern.split('*')
  let at = 0
  for (const [i, piece] of pieces.entries()) {
    const found = i === pieces.length - 1 ? name.length - piece.length : name.indexOf(piece, at)
    if (found < at || !name.startsWith(piece, found) || (i === 0 && found !== 0)) return false
    at = found + piece.length
  }
  return at === name.length
}

async function readItems(file: string): Promise<RawItem[]> {
  if (file.endsWith('.parquet')) return parquetItems(file)
  const text = await readFile(file, 'utf8')
  try {
    if (file.endsWith('.jsonl'))
      return text
        .split('\n')
        .filter((line) => line.trim() !== '')
        .map(parseItem)
    const value: unknown = JSON.parse(text)
    if (Array.isArray(value)) return value as RawItem[]
    // MathVista: an object of records by their number
    return Object.entries(value as Record<string, RawItem>).map(([pid, item]) => ({ pid, ...item }))
  } catch (cause) {
    throw new InputError(file, 'JSON', (cause as Error).message, '', { cause })
  }
}

const parseItem = (line: string) => JSON.parse(line) as RawItem

async function parquetItems(file: string): Promise<RawItem[]> {
  const items: RawItem[] = []
  for await (const { raw } of readParquet(file)) {
    if (raw instanceof InputError) throw raw
    items.push(raw)
  }
  return items
}

function beside(image: ImageRef, folder: string): ImageRef {
  if ('bytes' in image || 'stored' in image || isAbsolute(image.path)) return image
  return { path: join(folder, image.path) }
}

/** Images of a record's first column that has any. */
export function imagesIn(item: RawItem, columns: readonly string[], where: string): ImageRef[] {
  for (const name of columns) {
    const value = item[name]
    if (value === undefined || value === null || value === '') continue
    return readImages(value, `${where} ${name}`)
  }
  return []
}

/** A text column. @throws InputError when it is none. */
export function textIn(item: RawItem, name: string, where: string): string {
  const value = item[name]
  if (typeof value === 'number' || typeof value === 'bigint') return String(value)
  if (typeof value !== 'string') throw new InputError(`${where} ${name}`, 'a text', value)
  return value
}

/** A text column, or `''`. */
export const optionalText = (item: RawItem, name: string): string => (typeof item[name] === 'string' ? item[name] : '')

/** The name of a file without its folder and ending. */
export const stem = (file: string) => basename(file).replace(/\.[^.]*$/, '')
