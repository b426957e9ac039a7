/**
 * Encoded image -> RGB bytes, as transformers' `load_image` gives them: EXIF orientation applied, alpha dropped (no
 * background is blended in), palettes expanded, embedded colour profiles ignored.
 *
 * Images come with datasets, so the header is checked before a single pixel is decoded.
 */

import { readFile, stat } from 'node:fs/promises'
import sharp, { type Metadata, type Sharp } from 'sharp'
import { InputError } from '../core/errors.ts'
import type { ImageRef } from '../core/types.ts'

export interface DecodedImage {
  /** (height, width, 3) */
  rgb: Uint8Array
  width: number
  height: number
}

export interface ImageLimits {
  /** Size of the encoded file. Default 64 MB. */
  maxBytes: number
  /** Width x height. Default 33 million. */
  maxPixels: number
}

export const defaultImageLimits: ImageLimits = { maxBytes: 64e6, maxPixels: 33e6 }

const FORMATS = ['jpeg', 'png', 'webp', 'gif', 'tiff']

/**
 * Reads and decodes one image. `where` names it in errors, e.g. `data.jsonl:12 image 1`.
 *
 * Throws InputError for a missing file, an unknown format, a truncated or damaged image, and one past the limits.
 *
 * @example
 * const { rgb, width, height } = await decodeImage({ path: 'shapes/1.png' }, 'shapes.jsonl:1')
 */
export async function decodeImage(
  ref: ImageRef,
  where: string,
  limits: ImageLimits = defaultImageLimits,
): Promise<DecodedImage> {
  return decodeBytes(await readImageBytes(ref, where, limits), describe(ref, where), limits)
}

/**
 * Width and height as decoding would give them, from the header alone.
 *
 * Throws InputError for a missing file, an unknown format, and an image past the limits.
 */
export async function imageSize(
  ref: ImageRef,
  where: string,
  limits: ImageLimits = defaultImageLimits,
): Promise<{ width: number; height: number }> {
  const name = describe(ref, where)
  const meta = await readMetadata(await headerSource(ref, name), name)
  checkHeader(meta, name, limits)
  return meta.autoOrient
}

/** The encoded bytes of an image. Throws InputError for a missing file or one past `limits.maxBytes`. */
export async function readImageBytes(ref: ImageRef, where: string, limits = defaultImageLimits): Promise<Uint8Array> {
  const name = describe(ref, where)
  const limit = (size: number) => {
    if (size > limits.maxBytes) throw new InputError(name, `at most ${limits.maxBytes} bytes`, size)
    if (size === 0) throw new InputError(name, 'an image', 'an empty file')
  }
  if ('bytes' in ref) {
    limit(ref.bytes.length)
    return ref.bytes
  }
  if ('stored' in ref) {
    limit(ref.stored.size)
    return ref.stored.read()
  }
  limit((await checkFile(ref.path, name)).size)
  return readFile(ref.path)
}

/** What the header is read from: bytes, or a file's path, of which only the beginning is read. */
async function headerSource(ref: ImageRef, name: string): Promise<Uint8Array | string> {
  if ('bytes' in ref) return ref.bytes
  if ('stored' in ref) return ref.stored.read()
  await checkFile(ref.path, name)
  return ref.path
}

async function checkFile(path: string, name: string) {
  const info = await stat(path).catch((cause: NodeJS.ErrnoException) => {
    throw new InputError(name, 'an existing image file', cause.code, 'Check the path and the image folder', { cause })
  })
  if (!info.isFile()) throw new InputError(name, 'an image file', 'something else')
  return info
}

function describe(ref: ImageRef, where: string): string {
  return ref.path ? `${where} (${ref.path})` : where
}

/** Decodes bytes already in memory; see `decodeImage`. */
export async function decodeBytes(bytes: Uint8Array, name: string, limits = defaultImageLimits): Promise<DecodedImage> {
  const input = () => sharp(bytes, { ignoreIcc: true, failOn: 'error', limitInputPixels: limits.maxPixels, pages: 1 })
  const meta = await readMetadata(bytes, name)
  checkHeader(meta, name, limits)
  try {
    const { data, info } = await toRgb(input().autoOrient(), meta).toBuffer({ resolveWithObject: true })
    const rgb = isGrey16(meta) ? clipGrey16(data) : meta.space === 'cmyk' ? cmykToRgb(data) : data
    return { rgb, width: info.width, height: info.height }
  } catch (cause) {
    throw new InputError(name, 'a complete image', (cause as Error).message, 'The file is damaged', { cause })
  }
}

async function readMetadata(source: Uint8Array | string, name: string): Promise<Metadata> {
  try {
    return await sharp(source, { limitInputPixels: false }).metadata()
  } catch (cause) {
    const message = (cause as Error).message
    throw new InputError(name, `a readable ${FORMATS.join(', ')} image`, message, '', { cause })
  }
}

function checkHeader(meta: Metadata, name: string, limits: ImageLimits): void {
  if (!FORMATS.includes(meta.format ?? '')) throw new InputError(name, `one of ${FORMATS.join(', ')}`, meta.format)
  const [width, height] = [meta.width ?? 0, meta.height ?? 0]
  if (width * height > limits.maxPixels)
    throw new InputError(name, `at most ${limits.maxPixels} pixels`, `${width} x ${height}`, 'Shrink it beforehand')
}

function toRgb(image: Sharp, meta: Metadata): Sharp {
  if (isGrey16(meta)) return image.toColourspace('grey16').raw({ depth: 'ushort' })
  if (meta.space === 'cmyk') return image.pipelineColourspace('cmyk').toColourspace('cmyk').raw()
  return image.toColourspace('srgb').removeAlpha().raw()
}

function isGrey16(meta: Metadata): boolean {
  return meta.depth === 'ushort' && meta.channels === 1
}

/** 16-bit grey is clipped to a byte, not scaled: that is what Pillow's convert("RGB") does. */
function clipGrey16(data: Uint8Array): Uint8Array {
  const values = new Uint16Array(data.buffer, data.byteOffset, data.byteLength / 2)
  const out = new Uint8Array(values.length * 3)
  values.forEach((value, i) => {
    out.fill(Math.min(value, 255), 3 * i, 3 * i + 3)
  })
  return out
}

/** Pillow's naive conversion: (255 - k) minus c (255 - k) / 255, rounded as its MULDIV255 does. */
function cmykToRgb(data: Uint8Array): Uint8Array {
  const out = new Uint8Array((data.length / 4) * 3)
  for (let i = 0, o = 0; i < data.length; i += 4) {
    const white = 255 - data[i + 3]!
    for (let c = 0; c < 3; c++) {
      const product = data[i + c]! * white + 128
      out[o++] = Math.max(0, white - (((product >> 8) + product) >> 8))
    }
  }
  return out
}
