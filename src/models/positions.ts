/**
 * Rotary positions of a prompt.
 *
 * Text advances all three axes (t, h, w) by one. An image or video that starts at position s spreads its merged grid
 * over s + (t, h, w); the text behind it continues at (largest position so far) + 1. A video's time index is
 * floor(t * secondsPerGrid * tokensPerSecond), in single precision as the models were trained.
 */

import { InputError } from '../core/errors.ts'
import type { VisionTokens } from './define.ts'

/** An image or video of the prompt, in order of appearance. */
export interface Visual {
  kind: 'image' | 'video'
  /** t, h, w in patches. */
  grid: readonly [number, number, number]
  /** Seconds between two time slots (videos). Default 1. */
  secondsPerGrid?: number
}

export interface Positions {
  /** (3, T) */
  positionIds: Int32Array
  /** Position, on all axes, of the token behind the prompt. */
  nextPosition: number
  /** Token rows that hold visual features, in order of appearance. */
  visualRows: Int32Array
}

/** Language tokens one image or video takes. */
export function visualTokens(grid: readonly [number, number, number], merge: number): number {
  return (grid[0] * grid[1] * grid[2]) / (merge * merge)
}

/** 0, 1, 2, ... on all axes. */
export function plainPositions(length: number): Positions {
  const positionIds = new Int32Array(3 * length)
  for (let i = 0; i < positionIds.length; i++) positionIds[i] = i % length
  return { positionIds, nextPosition: length, visualRows: new Int32Array(0) }
}

/**
 * Positions of a prompt whose placeholders were already expanded.
 *
 * Throws InputError when placeholders and visuals do not match in kind or number.
 *
 * @example
 * // <start> <image> x 4 <end>: image grid 4 x 4 patches, merged 2 x 2
 * mropePositions(tokens, [{ kind: 'image', grid: [1, 4, 4] }], vision).nextPosition // 1 + 2 + 1 = 4
 */
export function mropePositions(tokens: Int32Array, visuals: readonly Visual[], vision: VisionTokens): Positions {
  const T = tokens.length
  const positionIds = new Int32Array(3 * T)
  const rows: number[] = []
  let [next, visual] = [0, 0]
  for (let i = 0; i < T; ) {
    const token = tokens[i]
    if (token !== vision.image && token !== vision.video) {
      for (let axis = 0; axis < 3; axis++) positionIds[axis * T + i] = next
      next++
      i++
      continue
    }
    const item = visuals[visual++]
    const size = checkRun(tokens, i, item, visuals, vision)
    next = placeVisual(positionIds, T, i, next, item!, vision)
    for (let j = 0; j < size; j++) rows.push(i + j)
    i += size
  }
  if (visual !== visuals.length)
    throw new InputError('prompt', `placeholders for ${visuals.length} images or videos`, visual)
  return { positionIds, nextPosition: next, visualRows: Int32Array.from(rows) }
}

/** Checks that the run at `begin` is exactly as long as the visual needs, and returns that length. */
function checkRun(
  tokens: Int32Array,
  begin: number,
  item: Visual | undefined,
  visuals: readonly Visual[],
  vision: VisionTokens,
): number {
  const remedy = 'Text must not contain the image or video placeholder itself'
  if (!item) throw new InputError('prompt', `placeholders for ${visuals.length} images or videos`, 'more', remedy)
  const token = item.kind === 'image' ? vision.image : vision.video
  const size = visualTokens(item.grid, vision.merge)
  let run = 0
  while (run < size && tokens[begin + run] === token) run++
  if (run !== size) throw new InputError('prompt', `${size} ${item.kind} placeholders at token ${begin}`, run, remedy)
  return size
}

/** Writes one visual's grid and returns the position behind it. */
function placeVisual(
  out: Int32Array,
  T: number,
  begin: number,
  start: number,
  item: Visual,
  vision: VisionTokens,
): number {
  const [frames, h, w] = [item.grid[0], item.grid[1] / vision.merge, item.grid[2] / vision.merge]
  let last = start
  for (let t = 0, i = begin; t < frames; t++) {
    const time = item.kind === 'image' ? t : timeIndex(t, item.secondsPerGrid ?? 1, vision.tokensPerSecond)
    for (let y = 0; y < h; y++) {
      for (let x = 0; x < w; x++, i++) {
        out[i] = start + time
        out[T + i] = start + y
        out[2 * T + i] = start + x
      }
    }
    last = Math.max(last, start + time, start + h - 1, start + w - 1)
  }
  return last + 1
}

function timeIndex(t: number, secondsPerGrid: number, tokensPerSecond: number): number {
  return Math.floor(Math.fround(Math.fround(t * Math.fround(secondsPerGrid)) * tokensPerSecond))
}
