/**
 * `checksums.json`: size and SHA-256 of every file of a checkpoint, written last. A disk that lost or changed bytes, or
 * a copy that was cut, is found before anything of it is loaded.
 */

import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { InputError } from '../core/errors.ts'
import { writeSynced } from './durable.ts'
import { readJsonObject } from './files.ts'

export const CHECKSUMS_FILE = 'checksums.json'

interface Checksum {
  bytes: number
  sha256: string
}

/** Covers every file that is in the folder now. */
export async function writeChecksums(dir: string): Promise<void> {
  const files: Record<string, Checksum> = {}
  for (const name of (await readdir(dir)).sort()) files[name] = await checksum(join(dir, name))
  await writeSynced(join(dir, CHECKSUMS_FILE), `${JSON.stringify({ version: 1, files }, null, 2)}\n`)
}

/** @throws InputError naming the first file that is missing or not what was written. */
export async function verifyChecksums(dir: string): Promise<void> {
  const list = join(dir, CHECKSUMS_FILE)
  const { version, files } = await readJsonObject(list)
  if (version !== 1) throw new InputError(`${list} version`, '1', version)
  if (typeof files !== 'object' || files === null) throw new InputError(`${list} files`, 'an object', files)
  for (const [name, value] of Object.entries(files)) {
    const file = join(dir, name)
    const wanted = value as Partial<Checksum> | null
    const size = (await stat(file).catch(() => null))?.size
    if (size !== wanted?.bytes) throw new InputError(file, `${wanted?.bytes} bytes`, size, damaged)
    const { sha256 } = await checksum(file)
    if (sha256 !== wanted?.sha256) throw new InputError(file, `SHA-256 ${wanted?.sha256}`, sha256, damaged)
  }
}

const damaged = 'The file was damaged after it was saved'

async function checksum(file: string): Promise<Checksum> {
  const hash = createHash('sha256')
  let bytes = 0
  await pipeline(createReadStream(file, { highWaterMark: 2 ** 20 }), async (chunks: AsyncIterable<Buffer>) => {
    for await (const chunk of chunks) {
      hash.update(chunk)
      bytes += chunk.length
    }
  })
  return { bytes, sha256: hash.digest('hex') }
}
