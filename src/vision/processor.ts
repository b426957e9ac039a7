/** Image reference -> patches and grid, equal to transformers' NumPy ("slow") image processor. */

import { createHash } from 'node:crypto'
import type { ImageRef, ProcessedImage } from '../core/types.ts'
import { type DecodedImage, decodeBytes, defaultImageLimits, type ImageLimits, readImageBytes } from './decode.ts'
import { patchify } from './patchify.ts'
import type { ProcessorSettings } from './processor_config.ts'
import { resizeBicubic } from './resize.ts'
import { smartResize } from './smart_resize.ts'

/** Turns images into what the vision tower reads. */
export class ImageProcessor {
  readonly settings: ProcessorSettings
  readonly limits: ImageLimits

  constructor(settings: ProcessorSettings, limits: ImageLimits = defaultImageLimits) {
    this.settings = settings
    this.limits = limits
  }

  /**
   * Reads, decodes, resizes and cuts one image. `where` names it in errors. `change`, when given, sees the decoded pixels
   * first and keeps their size.
   * Throws InputError for anything wrong with the image.
   *
   * @example
   * const { patches, grid } = await processor.process({ path: 'a.png' }, 'data.jsonl:1 image 1')
   */
  async process(ref: ImageRef, where: string, change?: (image: DecodedImage) => DecodedImage): Promise<ProcessedImage> {
    const bytes = await readImageBytes(ref, where, this.limits)
    const name = ref.path ? `${where} (${ref.path})` : where
    const file = await decodeBytes(bytes, name, this.limits)
    const decoded = change ? change(file) : file
    const image = this.resize(decoded, name)
    const { patchSize } = this.settings
    return {
      patches: patchify(image, this.settings),
      grid: [1, image.height / patchSize, image.width / patchSize],
      key: keyOf(JSON.stringify(this.settings), change ? decoded.rgb : bytes),
      sizes: { original: sizeOf(decoded), resized: sizeOf(image) },
    }
  }

  /** Resizes to the sides the patch grid needs. */
  resize(image: DecodedImage, where: string): DecodedImage {
    const { patchSize, merge, minPixels, maxPixels } = this.settings
    const rule = { factor: patchSize * merge, minPixels, maxPixels }
    const { width, height } = smartResize(image.height, image.width, rule, where)
    return resizeBicubic(image, width, height)
  }
}

const keyOf = (settings: string, content: Uint8Array) =>
  createHash('sha256').update(settings).update(content).digest('base64url')

const sizeOf = ({ width, height }: DecodedImage) => ({ width, height })
