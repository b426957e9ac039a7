/** Shortening a prompt without ever cutting an image. */

import { InputError } from '../core/errors.ts'
import type { VisionTokens } from '../models/index.ts'

/**
 * Drops the oldest text tokens until at most `limit` remain. Images and videos stay whole, with the markers around
 * them. Positions must be computed afterwards. Throws InputError when the images alone are longer than `limit`.
 *
 * @example
 * truncatePrompt(tokens, 512, vision, row.id).length <= 512
 */
export function truncatePrompt(
  tokens: Int32Array,
  limit: number,
  vision: VisionTokens | null,
  where: string,
): Int32Array {
  const whole = new Set(vision ? [vision.image, vision.video, vision.start, vision.end] : [])
  let excess = tokens.length - limit
  const out = tokens.filter((token) => {
    if (excess <= 0 || whole.has(token)) return true
    excess--
    return false
  })
  if (out.length > limit) throw new InputError(where, `images of at most ${limit} tokens`, out.length)
  return out
}
