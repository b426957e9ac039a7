import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { openConfig } from '../../src/checkpoint/hf_folder.ts'
import { readSafetensors, readTensor } from '../../src/checkpoint/safetensors.ts'
import { decodeImage } from '../../src/vision/decode.ts'
import { patchify } from '../../src/vision/patchify.ts'
import { ImageProcessor } from '../../src/vision/processor.ts'
import { readProcessorSettings } from '../../src/vision/processor_config.ts'
import { smartResize } from '../../src/vision/smart_resize.ts'
import { fixture, fixtureJson } from '../harness/fixtures.ts'

interface ResizeCase {
  height: number
  width: number
  factor: number
  min_pixels: number
  max_pixels: number
  result?: [number, number]
  error?: string
}

interface ImageCase {
  image: string
  family: string
  image_grid_thw: [number, number, number]
  num_image_tokens: number
  grid_with_default_limits: [number, number, number]
}

const rows = fixtureJson<ResizeCase[]>('processor/smart_resize.json')
const images = fixtureJson<{ images: ImageCase[] }>('processor/cases.json').images.filter(
  (c) => c.family === 'qwen2_vl',
)
const resized = await readSafetensors(fixture('processor/resized_u8.safetensors'))
const pixels = await readSafetensors(fixture('processor/pixel_values.safetensors'))

const { family, spec } = await openConfig(fixture('models/qwen2_5_vl'))
const stock = await readProcessorSettings(fixture('models/qwen2'), family, spec.vision!)
const processor = new ImageProcessor({ ...stock, minPixels: 3136, maxPixels: 9408 })
const pathOf = (image: string) => fixture(`images/${image}`)

describe('smartResize', () => {
  it(`gives the ${rows.length} golden sizes and errors`, () => {
    for (const row of rows) {
      const rule = { factor: row.factor, minPixels: row.min_pixels, maxPixels: row.max_pixels }
      const resize = () => smartResize(row.height, row.width, rule)
      if (row.error) expect(resize).toThrow(/an aspect ratio of at most 200 but received/)
      else expect(resize()).toEqual({ height: row.result![0], width: row.result![1] })
    }
  })

  it('refuses an image without pixels', () =>
    expect(() => smartResize(0, 5, { factor: 28, minPixels: 1, maxPixels: 9 })).toThrow(/at least 1 pixel/))
})

it.each(images)('$image has the golden grid', async ({ image, ...golden }) => {
  const { grid, patches } = await processor.process({ path: pathOf(image) }, 'row')
  expect(grid).toEqual(golden.image_grid_thw)
  expect(patches.length).toBe(golden.num_image_tokens * 4 * 1176)
  const large = new ImageProcessor({ ...stock, minPixels: 3136, maxPixels: 28 * 28 * 1280 })
  expect((await large.process({ path: pathOf(image) }, 'row')).grid).toEqual(golden.grid_with_default_limits)
})

const imageOf = (key: string) => key.replace(/\/qwen2_vl\/(slow|fast)$/, '')

it.each([...resized.tensors.keys()])('%s: golden bytes after resizing', async (key) => {
  const small = processor.resize(await decodeImage({ path: pathOf(imageOf(key)) }, 'row'), 'row')
  const golden = await readTensor(resized, key)
  expect(golden.shape).toEqual([small.height, small.width, 3])
  expect(Buffer.compare(small.rgb, golden.data as Uint8Array)).toBe(0)
})

it.each([...pixels.tensors.keys()])('%s: golden pixel values', async (key) => {
  const golden = (await readTensor(pixels, key)).data as Float32Array
  const { patches } = await processor.process({ path: pathOf(imageOf(key)) }, 'row')
  expect(patches.length).toBe(golden.length)
  const worst = patches.reduce((max, value, i) => Math.max(max, Math.abs(value - golden[i]!)), 0)
  expect(worst).toBeLessThanOrEqual(1e-6)
})

it('covers golden bytes and values', () => {
  expect(resized.tensors.size).toBe(26)
  expect(pixels.tensors.size).toBe(2)
})

it('orders rows by merge blocks and columns by channel, time, y, x', () => {
  // One merge block of 1-pixel patches: the byte at (y, x, c) is 100 y + 10 x + c.
  const rgb = Uint8Array.from([
    0, 1, 2, 10, 11, 12, 20, 21, 22, 30, 31, 32, 100, 101, 102, 110, 111, 112, 120, 121, 122, 130, 131, 132,
  ])
  const rule = { patchSize: 1, merge: 2, temporal: 2, mean: [0, 0, 0], std: [1, 1, 1], rescale: 1 } as const
  const out = patchify({ rgb, width: 4, height: 2 }, rule)
  const row = (i: number) => Array.from(out.subarray(6 * i, 6 * i + 6))
  expect(row(0)).toEqual([0, 0, 1, 1, 2, 2])
  expect([1, 2, 3, 4].map((i) => row(i)[0])).toEqual([10, 100, 110, 20])
})

it('gives equal images equal keys and others another', async () => {
  const path = pathOf('drawn/shapes.png')
  const [byPath, byBytes, other] = await Promise.all([
    processor.process({ path }, 'a'),
    processor.process({ bytes: await readFile(path) }, 'b'),
    processor.process({ path: pathOf('drawn/noise.png') }, 'c'),
  ])
  expect(byPath).toEqual(byBytes)
  expect(other.key).not.toBe(byPath.key)
})

describe('processor files', () => {
  const vision = spec.vision!
  async function read(files: Record<string, unknown>) {
    const dir = await mkdtemp(join(tmpdir(), 'rft-processor-'))
    try {
      for (const [name, content] of Object.entries(files)) await writeFile(join(dir, name), JSON.stringify(content))
      return await readProcessorSettings(dir, family, vision)
    } finally {
      await rm(dir, { recursive: true })
    }
  }

  it('reads the current and the older file to the same settings', async () => {
    const current = await readProcessorSettings(fixture('models/qwen2_5_vl'), family, vision)
    const older = await readProcessorSettings(fixture('models/qwen2_5_vl/config_variants'), family, vision)
    expect(current).toEqual(older)
    expect(current).toMatchObject({ minPixels: 3136, maxPixels: 12544, temporal: 2, merge: 2, patchSize: 14 })
  })

  it('falls back to the limits of the family', () =>
    expect(stock).toMatchObject({ minPixels: 3136, maxPixels: 1003520, rescale: 1 / 255 }))

  it.each<[string, object, RegExp]>([
    ['no resizing', { do_resize: false }, /do_resize: expected true but received false/],
    ['bilinear', { resample: 2 }, /resample: expected 3 but received 2/],
    ['another patch size', { patch_size: 16 }, /patch_size: expected 14 but received 16/],
    ['swapped limits', { min_pixels: 10000, max_pixels: 5000 }, /at most 5000 pixels but received 10000/],
    ['a short mean', { image_mean: [0.5] }, /image_mean: expected three finite numbers/],
    ['a zero deviation', { image_std: [1, 0, 1] }, /image_std: expected three finite numbers/],
    ['text limits', { max_pixels: '9' }, /max_pixels: expected a positive integer/],
  ])('refuses %s', async (_, content, message) => {
    await expect(read({ 'preprocessor_config.json': content })).rejects.toThrow(message)
    await expect(read({ 'processor_config.json': { image_processor: content } })).rejects.toThrow(message)
  })
})
