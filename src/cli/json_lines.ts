/** JSON lines from a file or from standard input, each with its place for messages. */
import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { Readable } from 'node:stream'
import { InputError } from '../core/errors.ts'
import type { Row } from '../core/types.ts'
import { readRow } from '../data/index.ts'
import type { Io } from './io.ts'

export interface JsonLine {
  /** `rows.jsonl:12`, or `stdin:12`. */
  where: string
  value: Readonly<Record<string, unknown>>
}

/**
 * @param file `-` = standard input
 * @throws InputError for a file that is not there and for a line that is not a JSON object; blank lines are skipped
 */
export async function* readJsonLines(file: string, io: Io): AsyncGenerator<JsonLine> {
  const name = file === '-' ? 'stdin' : file
  let number = 0
  for await (const line of createInterface({ input: await open(file, io), crlfDelay: Number.POSITIVE_INFINITY })) {
    number++
    if (line.trim() !== '') yield { where: `${name}:${number}`, value: parseObject(line, `${name}:${number}`) }
  }
}

async function open(file: string, io: Io): Promise<NodeJS.ReadableStream> {
  if (file === '-') return Readable.from(io.stdin)
  const info = await stat(file).catch(() => null)
  if (!info?.isFile()) throw new InputError(file, 'a file of JSON lines', info ? 'something else' : 'nothing')
  return createReadStream(file)
}

function parseObject(line: string, where: string): Readonly<Record<string, unknown>> {
  let value: unknown
  try {
    value = JSON.parse(line)
  } catch (cause) {
    throw new InputError(where, 'a JSON object', line, `${(cause as Error).message}.`, { cause })
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new InputError(where, 'a JSON object', value)
  return value as Readonly<Record<string, unknown>>
}

/** Items in portions of `size`. */
export async function* portions<T>(items: AsyncIterable<T>, size: number): AsyncGenerator<T[]> {
  let portion: T[] = []
  for await (const item of items) {
    portion.push(item)
    if (portion.length < size) continue
    yield portion
    portion = []
  }
  if (portion.length > 0) yield portion
}

/** The row of a line; `messages` is read as `prompt`. Image paths start from the file's folder. */
export function promptRow({ where, value }: JsonLine, file: string, system: string | null): Row {
  const root = resolve(file === '-' ? '.' : dirname(file))
  const named = value.messages !== undefined && value.prompt === undefined
  return readRow(named ? { ...value, prompt: value.messages } : value, where, root, { system })
}
