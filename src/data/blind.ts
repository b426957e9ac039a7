/** Takes the pictures out of a dataset: what is still answered right was never read from them. */
import sharp from 'sharp'
import { InputError } from '../core/errors.ts'
import type { ImageRef, Row } from '../core/types.ts'
import { greyImage } from './shapes/draw.ts'

/**
 * The same rows with every image replaced by a plain grey one of the same size (so prompts keep their token counts).
 *
 * @throws InputError at the row whose image cannot be read.
 */
export async function blindRows(rows: readonly Row[]): Promise<Row[]> {
  const greys = new Map<string, Promise<Uint8Array>>()
  const grey = (width: number, height: number) => {
    const key = `${width}x${height}`
    if (!greys.has(key)) greys.set(key, greyImage(width, height))
    return greys.get(key)!
  }
  const blinded: Row[] = []
  for (const row of rows) {
    const images: ImageRef[] = []
    for (const image of row.images) {
      const { width, height } = await sizeOf(image, row.id)
      images.push({ bytes: await grey(width, height) })
    }
    blinded.push({ ...row, images })
  }
  return blinded
}

async function sizeOf(image: ImageRef, where: string): Promise<{ width: number; height: number }> {
  try {
    const source = 'stored' in image ? await image.stored.read() : 'bytes' in image ? image.bytes : image.path
    return await sharp(source).metadata()
  } catch (cause) {
    throw new InputError(where, 'a readable image', 'path' in image ? image.path : 'bytes', (cause as Error).message)
  }
}
