/** Resized RGB bytes -> normalised patches in the order the vision tower reads them. */

import type { DecodedImage } from './decode.ts'

export interface PatchRule {
  patchSize: number
  /** Merge x merge patches are neighbours in the row order. */
  merge: number
  /** A still image fills this many time slots with the same pixels. */
  temporal: number
  mean: readonly [number, number, number]
  std: readonly [number, number, number]
  /** Bytes are multiplied by this first, usually 1 / 255. */
  rescale: number
}

/**
 * (h, w, 3) bytes -> (h/p * w/p, 3 * temporal * p * p).
 * Rows run over (gh/merge, gw/merge, merge, merge), columns over (channel, temporal, y, x).
 * Value = (byte * rescale - mean) / std, in single precision step by step as the NumPy processor computes it.
 */
export function patchify(image: DecodedImage, rule: PatchRule): Float32Array {
  const { patchSize: p, merge, temporal } = rule
  const [gridH, gridW] = [image.height / p, image.width / p]
  const table = valueTable(rule)
  const out = new Float32Array(gridH * gridW * 3 * temporal * p * p)
  let o = 0
  for (let by = 0; by < gridH; by += merge)
    for (let bx = 0; bx < gridW; bx += merge)
      for (let y = by; y < by + merge; y++)
        for (let x = bx; x < bx + merge; x++) o = writePatch(out, o, image, table, y * p, x * p, rule)
  return out
}

/** Writes the patch whose top left pixel is (top, left) and returns the offset behind it. */
function writePatch(
  out: Float32Array,
  begin: number,
  image: DecodedImage,
  table: Float32Array,
  top: number,
  left: number,
  rule: PatchRule,
): number {
  const { patchSize: p, temporal } = rule
  let o = begin
  for (let c = 0; c < 3; c++) {
    const first = o
    for (let y = top; y < top + p; y++) {
      let i = (y * image.width + left) * 3 + c
      for (let x = 0; x < p; x++, i += 3) out[o++] = table[c * 256 + image.rgb[i]!]!
    }
    const size = o - first
    for (let t = 1; t < temporal; t++, o += size) out.copyWithin(o, first, first + size)
  }
  return o
}

/** (3, 256) normalised value of every byte of every channel. */
function valueTable({ mean, std, rescale }: PatchRule): Float32Array {
  const table = new Float32Array(3 * 256)
  for (let c = 0; c < 3; c++)
    for (let byte = 0; byte < 256; byte++) {
      const centred = Math.fround(Math.fround(byte * rescale) - Math.fround(mean[c]!))
      table[c * 256 + byte] = centred / Math.fround(std[c]!)
    }
  return table
}
