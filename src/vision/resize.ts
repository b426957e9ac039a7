/** Bicubic resize, equal to Pillow's bit for bit (native/ops/resize). */

import { native } from '../native/binding.ts'
import type { DecodedImage } from './decode.ts'

export function resizeBicubic(image: DecodedImage, width: number, height: number): DecodedImage {
  if (width === image.width && height === image.height) return image
  return { rgb: native().resizeBicubic(image.rgb, image.width, image.height, width, height), width, height }
}
