/** Images of sample prompts as small data URIs, so that the report is one file. */
import { readFile, realpath } from 'node:fs/promises'
import { join, resolve, sep } from 'node:path'
import { escapeText } from './html.ts'

const maxInputPixels = 33_554_432

/**
 * A path relative to the run folder, or a data URI, as a data URI of at most `side` pixels a side (tiny images are
 * enlarged without smoothing). `null` when there is no such image, it cannot be decoded, or it lies outside the folder.
 */
export async function imageDataUri(runDir: string, reference: string, side: number): Promise<string | null> {
  try {
    return await thumbnail(await readImage(runDir, reference), side)
  } catch {
    return null
  }
}

/** Bytes of an image file as such a data URI; `null` when they cannot be decoded. */
export async function thumbnail(bytes: Uint8Array, side: number): Promise<string | null> {
  try {
    const { default: sharp } = await import('sharp')
    const { width, height } = await sharp(bytes, { limitInputPixels: maxInputPixels }).metadata()
    const small = Math.max(width, height) <= side / 2
    const png = await sharp(bytes, { limitInputPixels: maxInputPixels })
      .resize({ width: side, height: side, fit: 'inside', kernel: small ? 'nearest' : 'lanczos3' })
      .png({ palette: true })
      .toBuffer()
    return `data:image/png;base64,${png.toString('base64')}`
  } catch {
    return null
  }
}

async function readImage(runDir: string, reference: string): Promise<Buffer> {
  const inline = /^data:image\/[a-z+.-]+;base64,([A-Za-z0-9+/=]+)$/.exec(reference)
  if (inline) return Buffer.from(inline[1]!, 'base64')
  const root = (await realpath(resolve(runDir))) + sep
  const file = await realpath(join(root, reference))
  if (!file.startsWith(root)) throw new Error('outside the run folder')
  return readFile(file)
}

/** An image of a prompt for a page; `null` says that it is not shown. */
export const picture = (uri: string | null) =>
  uri ? `<img alt="image of the prompt" src="${escapeText(uri)}">` : '<span class="missing">image not shown</span>'
