/** The size an image is resized to before it is cut into patches. */

import { InputError } from '../core/errors.ts'

export interface ResizeRule {
  /** Sides become multiples of this: patch size x merge. */
  factor: number
  minPixels: number
  maxPixels: number
}

const MAX_ASPECT = 200

/**
 * Nearest multiples of `factor` (halves to even), then scaled into [minPixels, maxPixels] with the aspect ratio kept
 * as well as possible. Formula: Qwen2-VL's `smart_resize`.
 *
 * Throws InputError for sides below 1 and for aspect ratios above 200.
 *
 * @example
 * smartResize(100, 140, { factor: 28, minPixels: 3136, maxPixels: 9408 }) // { height: 56, width: 112 }
 */
export function smartResize(height: number, width: number, rule: ResizeRule, where = 'image') {
  const { factor, minPixels, maxPixels } = rule
  if (height < 1 || width < 1) throw new InputError(where, 'sides of at least 1 pixel', `${width} x ${height}`)
  const aspect = Math.max(height, width) / Math.min(height, width)
  if (aspect > MAX_ASPECT) throw new InputError(where, `an aspect ratio of at most ${MAX_ASPECT}`, aspect)
  const size = { height: roundHalfEven(height / factor) * factor, width: roundHalfEven(width / factor) * factor }
  const area = size.height * size.width
  if (area > maxPixels) {
    const shrink = Math.sqrt((height * width) / maxPixels)
    const scaled = (side: number) => Math.max(factor, Math.floor(side / shrink / factor) * factor)
    return { height: scaled(height), width: scaled(width) }
  }
  if (area < minPixels) {
    const grow = Math.sqrt(minPixels / (height * width))
    const scaled = (side: number) => Math.ceil((side * grow) / factor) * factor
    return { height: scaled(height), width: scaled(width) }
  }
  return size
}

function roundHalfEven(x: number): number {
  const floor = Math.floor(x)
  if (x - floor !== 0.5) return Math.round(x)
  return floor % 2 === 0 ? floor : floor + 1
}
