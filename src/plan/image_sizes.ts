/** Images by their headers alone: what the vision tower would be given, without a pixel decoded. */

import { createHash } from 'node:crypto'
import type { ImageRef, ProcessedImage, Size } from '../core/types.ts'
import { type ImageLimits, imageSize, type ProcessorSettings, smartResize } from '../vision/index.ts'

const atOnce = 32

/** Stands in for the image processor. Sizes are read once; patches are empty, equal paths are equal images. */
export class ImageSizes {
  private readonly sizes = new Map<string, Size>()
  private readonly limits: ImageLimits

  constructor(limits: ImageLimits) {
    this.limits = limits
  }

  /** Reads the headers of many images. @throws InputError for an image that is missing, unreadable or too large. */
  async read(images: Iterable<{ ref: ImageRef; where: string }>): Promise<void> {
    const queue = images[Symbol.iterator]()
    const work = async () => {
      for (let next = queue.next(); !next.done; next = queue.next()) await this.size(next.value.ref, next.value.where)
    }
    await Promise.all(Array.from({ length: atOnce }, work))
  }

  /** Different images read so far, as the settings resize them. */
  grids(settings: ProcessorSettings): ProcessedImage['grid'][] {
    return [...this.sizes.values()].map((size) => gridOf(size, settings))
  }

  /** What `renderPrompt` asks of an image processor. */
  processor(settings: ProcessorSettings): { process(ref: ImageRef, where: string): Promise<ProcessedImage> } {
    return {
      process: async (ref, where) => {
        const original = await this.size(ref, where)
        const grid = gridOf(original, settings, where)
        const sizes = { original, resized: resizedSize(grid, settings) }
        return { patches: new Float32Array(0), grid, key: keyOf(ref), sizes }
      },
    }
  }

  private async size(ref: ImageRef, where: string): Promise<Size> {
    const key = keyOf(ref)
    const size = this.sizes.get(key) ?? (await imageSize(ref, where, this.limits))
    this.sizes.set(key, size)
    return size
  }
}

/** Patches of an image after resizing: t, h, w. */
export function gridOf({ width, height }: Size, settings: ProcessorSettings, where = 'image'): ProcessedImage['grid'] {
  const { patchSize, merge, minPixels, maxPixels } = settings
  const resized = smartResize(height, width, { factor: patchSize * merge, minPixels, maxPixels }, where)
  return [1, resized.height / patchSize, resized.width / patchSize]
}

/** The size in pixels of so many patches. */
export function resizedSize([, h, w]: ProcessedImage['grid'], { patchSize }: ProcessorSettings): Size {
  return { width: w * patchSize, height: h * patchSize }
}

function keyOf(ref: ImageRef): string {
  if ('bytes' in ref) return createHash('sha256').update(ref.bytes).digest('base64url')
  return 'stored' in ref ? ref.stored.key : ref.path
}
