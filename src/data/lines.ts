/** Lines of a text file, one at a time, in memory bounded by the longest line. */
import { createReadStream } from 'node:fs'
import { TextDecoder } from 'node:util'
import { InputError } from '../core/errors.ts'

export interface Line {
  /** From 1. */
  number: number
  text: string
}

const newline = 0x0a
const carriageReturn = 0x0d
const byteOrderMark = '\ufeff'

/**
 * Splits at LF; a CR before it and a byte order mark at the start of the file are dropped.
 *
 * @throws InputError at `file:line` for a line above `maxBytes` or bytes that are not UTF-8, at `file` when it cannot be read.
 */
export async function* readLines(file: string, maxBytes: number): AsyncGenerator<Line> {
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
  let number = 0
  let held: Buffer[] = []
  let heldBytes = 0
  const close = (rest: Buffer): Line => {
    number++
    let bytes = held.length === 0 ? rest : Buffer.concat([...held, rest])
    held = []
    heldBytes = 0
    if (bytes.at(-1) === carriageReturn) bytes = bytes.subarray(0, -1)
    const text = decode(decoder, bytes, `${file}:${number}`)
    return { number, text: number === 1 && text.startsWith(byteOrderMark) ? text.slice(1) : text }
  }
  for await (const chunk of chunks(file)) {
    let start = 0
    for (let end = chunk.indexOf(newline); end >= 0; end = chunk.indexOf(newline, start)) {
      limit(heldBytes + end - start, maxBytes, `${file}:${number + 1}`)
      yield close(chunk.subarray(start, end))
      start = end + 1
    }
    held.push(chunk.subarray(start))
    heldBytes += chunk.length - start
    limit(heldBytes, maxBytes, `${file}:${number + 1}`)
  }
  if (heldBytes > 0) yield close(Buffer.alloc(0))
}

function limit(bytes: number, maxBytes: number, where: string): void {
  if (bytes > maxBytes)
    throw new InputError(where, `a line of at most ${maxBytes} bytes`, `more than ${bytes}`, 'Is this a JSONL file?')
}

function decode(decoder: TextDecoder, bytes: Uint8Array, where: string): string {
  try {
    return decoder.decode(bytes)
  } catch (cause) {
    throw new InputError(where, 'UTF-8 text', 'other bytes', 'Convert the file to UTF-8.', { cause })
  }
}

async function* chunks(file: string): AsyncGenerator<Buffer> {
  try {
    yield* createReadStream(file, { highWaterMark: 1 << 18 }) as AsyncIterable<Buffer>
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code ?? String(cause)
    throw new InputError(file, 'a readable file', code, 'Check the paths in the data section.', { cause })
  }
}
