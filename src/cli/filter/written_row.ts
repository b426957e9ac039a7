/** A row as `rft filter` writes it: in TRL's columns, which `data.train` reads again. */

import { mkdir } from 'node:fs/promises'
import { basename, dirname, join, relative, resolve } from 'node:path'
import { writeSynced } from '../../checkpoint/durable.ts'
import type { ImageRef, Row } from '../../core/types.ts'
import { readImageBytes } from '../../vision/index.ts'

/**
 * Images in files keep their place; those embedded in the data become files of `<out>.images`.
 *
 * @param row as the data has it, without the run's prompt template
 */
export async function writtenRow(row: Row, index: number, out: string, added: Record<string, unknown>) {
  const images = await Promise.all(row.images.map((image, i) => imagePath(image, row.id, `${index}-${i}`, out)))
  return {
    ...plain(row.columns),
    prompt: row.messages,
    ...(images.length > 0 ? { images } : {}),
    ...(row.answer === null ? {} : { solution: row.answer }),
    ...(row.target === null ? {} : { target: row.target }),
    ...added,
  }
}

/** Relative to the folder of the file that names it. */
async function imagePath(image: ImageRef, where: string, name: string, out: string): Promise<string> {
  const folder = dirname(resolve(out))
  if (!('bytes' in image) && !('stored' in image)) return relative(folder, image.path) || basename(image.path)
  const bytes = await readImageBytes(image, where)
  const images = `${basename(out)}.images`
  await mkdir(join(folder, images), { recursive: true })
  const file = `${name}.${extensionOf(bytes)}`
  await writeSynced(join(folder, images, file), bytes)
  return `${images}/${file}`
}

/** By its first bytes; readers look at those as well. */
function extensionOf(bytes: Uint8Array): string {
  const [first, second] = bytes
  if (first === 0x89) return 'png'
  if (first === 0xff && second === 0xd8) return 'jpg'
  return first === 0x52 ? 'webp' : 'image'
}

/** Columns as JSON can hold them: whole numbers of 64 bits as numbers, no bytes. */
function plain(columns: Row['columns']): Record<string, unknown> {
  // A Buffer has become a list by the time its value arrives; the holder still has it.
  const text = JSON.stringify(columns, function (this: Record<string, unknown>, name, value) {
    if (typeof value === 'bigint') return Number(value)
    return this[name] instanceof Uint8Array ? undefined : value
  })
  return JSON.parse(text) as Record<string, unknown>
}
