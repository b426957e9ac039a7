import { createHash } from 'node:crypto'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { deflateSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { InputError } from '../../src/core/errors.ts'
import { decodeBytes, decodeImage, defaultImageLimits, imageSize } from '../../src/vision/decode.ts'
import { fixture, fixtureJson } from '../harness/fixtures.ts'

const info = fixtureJson<Record<string, { decoded_hw: [number, number]; sha256_rgb: string }>>('images/info.json')
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')

let dir = ''
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'rft-decode-'))
})
afterAll(() => rm(dir, { recursive: true }))

describe('pixels equal those of load_image', () => {
  it.each(Object.entries(info))('%s', async (name, { decoded_hw: [height, width], sha256_rgb }) => {
    const image = await decodeImage({ path: fixture(`images/${name}`) }, 'row')
    expect([image.height, image.width]).toEqual([height, width])
    expect(sha256(image.rgb)).toBe(sha256_rgb)
    expect(await imageSize({ path: fixture(`images/${name}`) }, 'row')).toEqual({ height, width })
  })

  // Digests of what Pillow 12.3's convert("RGB") gives.
  it.each([
    ['cmyk.jpg', 'd1d95407ce0c86678529bac0b1f3190c1b0c00b6aa2adf75bfb1fc50e5f13873'],
    ['grey16.png', 'f8fa53e659a0e7170dd01b98452d002f8d789e5675a8aebc2f87a0bebd7e6c9b'],
  ])('%s', async (name, digest) => {
    expect(sha256((await decodeImage({ path: fixture(`vision/${name}`) }, 'row')).rgb)).toBe(digest)
  })
})

describe('bad images', () => {
  const limits = defaultImageLimits
  const write = async (name: string, bytes: Uint8Array) => {
    const path = join(dir, name)
    await writeFile(path, bytes)
    return { path }
  }
  const cut = async (name: string, part: number) => {
    const bytes = await readFile(fixture(`images/${name}`))
    return { bytes: bytes.subarray(0, Math.floor(bytes.length * part)) }
  }

  it.each<[string, () => Promise<Parameters<typeof decodeImage>[0]>, RegExp]>([
    [
      'missing',
      async () => ({ path: join(dir, 'no.png') }),
      /^row 7 \(.*no.png\): expected an existing image file .*ENOENT/,
    ],
    ['a folder', async () => ({ path: dir }), /an image file but received "something else"/],
    ['empty', () => write('empty.png', new Uint8Array(0)), /an image but received "an empty file"/],
    ['text', () => write('text.png', Buffer.from('hello')), /a readable jpeg, png, webp, gif, tiff image/],
    ['SVG', () => write('x.png', Buffer.from('<svg width="9" height="9"></svg>')), /one of jpeg.*but received "svg"/],
    ['truncated PNG', () => cut('drawn/noise.png', 0.6), /a complete image .*damaged/],
    ['PNG cut in its header', () => cut('drawn/noise.png', 0.002), /a readable .* image/],
    ['truncated JPEG', () => cut('real/china.jpg', 0.6), /a complete image .*damaged/],
    ['truncated WebP', () => cut('drawn/lossless.webp', 0.6), /image/],
    ['bomb', async () => ({ bytes: pngHeader(8000, 5000) }), /at most 33000000 pixels but received "8000 x 5000"/],
    ['a lying size', async () => ({ bytes: pngHeader(2 ** 31 - 1, 2 ** 31 - 1) }), /image|pixels/],
  ])('%s', async (_, make, message) => {
    const promise = make().then((ref) => decodeImage(ref, 'row 7', limits))
    await expect(promise).rejects.toThrow(InputError)
    await expect(promise).rejects.toThrow(message)
  })

  it('is refused before decoding: the bomb costs no time and its limit can be set', async () => {
    const bytes = pngHeader(8000, 5000)
    const begin = performance.now()
    await expect(decodeBytes(bytes, 'row', limits)).rejects.toThrow(/40|8000/)
    expect(performance.now() - begin).toBeLessThan(500)
    await expect(decodeBytes(bytes, 'row', { ...limits, maxPixels: 50e6 })).rejects.toThrow(/a complete image/)
  })

  it('past the byte limit', async () => {
    const ref = { path: fixture('images/drawn/noise.png') }
    await expect(decodeImage(ref, 'row', { ...limits, maxBytes: 1000 })).rejects.toThrow(/at most 1000 bytes/)
  })
})

/** A valid PNG header of any size, with next to no pixel data behind it. */
function pngHeader(width: number, height: number): Uint8Array {
  const header = Buffer.alloc(13)
  header.writeUInt32BE(width, 0)
  header.writeUInt32BE(height, 4)
  header.set([8, 2], 8)
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a])
  return Buffer.concat([signature, chunk('IHDR', header), chunk('IDAT', deflateSync(Buffer.alloc(100)))])
}

function chunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type), data])
  const out = Buffer.alloc(body.length + 8)
  out.writeUInt32BE(data.length, 0)
  body.copy(out, 4)
  out.writeUInt32BE(crc32(body), body.length + 4)
  return out
}

function crc32(bytes: Uint8Array): number {
  let crc = 0xffffffff
  for (const byte of bytes) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1
  }
  return (crc ^ 0xffffffff) >>> 0
}
