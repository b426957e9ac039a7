/** Draws a scene as RGB bytes. */
import sharp from 'sharp'
import type { Random } from '../../core/random.ts'
import { type Colour, type Scene, type Shape, side } from './scene.ts'

/** Close to the mean that vision processors subtract: on a light background a small model never learned colours. */
export const background = [122, 116, 104] as const

/**
 * All brighter than the background in sum, so that "something is here" is one direction for every colour: with dark and
 * bright paints mixed, a small model took far longer to tell silhouettes apart.
 */
const paint: Record<Colour, readonly [number, number, number]> = {
  red: [255, 110, 130],
  green: [120, 255, 120],
  blue: [100, 160, 255],
  yellow: [235, 215, 60],
}

/** Whether a point is inside; coordinates from the centre in units of the radius, y downwards. */
const inside: Record<Shape, (x: number, y: number) => boolean> = {
  dot: (x, y) => x * x + y * y <= 0.3,
  ring: (x, y) => x * x + y * y <= 1.1 && x * x + y * y >= 0.45,
  square: (x, y) => Math.abs(x) <= 1 && Math.abs(y) <= 1,
}

/** Radius and jitter as parts of a cell; the largest shape still clears its cell. */
const radius = { least: 0.34, spread: 0.04 }
const jitter = 0.04
const brightness = 8
/** Samples per pixel edge, for smooth outlines. */
const samples = 3

/** (size, size, 3) bytes. Size, place and brightness of each shape vary a little with `random`. */
export function drawScene(scene: Scene, size: number, random: Random): Buffer {
  const pixels = Buffer.alloc(size * size * 3)
  for (let k = 0; k < pixels.length; k++) pixels[k] = background[k % 3]!
  const cell = size / side
  for (const [k, item] of scene.entries()) {
    if (!item) continue
    const x = ((k % side) + 0.5 + (random.unit() - 0.5) * 2 * jitter) * cell
    const y = (Math.floor(k / side) + 0.5 + (random.unit() - 0.5) * 2 * jitter) * cell
    const r = (radius.least + random.unit() * radius.spread) * cell
    const shift = Math.round((random.unit() - 0.5) * 2 * brightness)
    const colour = paint[item.colour].map((value) => Math.min(255, Math.max(0, value + shift)))
    drawItem(pixels, size, inside[item.shape], { x, y, r, colour })
  }
  return pixels
}

interface Place {
  x: number
  y: number
  r: number
  colour: readonly number[]
}

function drawItem(pixels: Buffer, size: number, covers: (x: number, y: number) => boolean, { x, y, r, colour }: Place) {
  const reach = r * 1.2
  const from = (centre: number) => Math.max(0, Math.floor(centre - reach))
  const to = (centre: number) => Math.min(size - 1, Math.ceil(centre + reach))
  for (let row = from(y); row <= to(y); row++) {
    for (let column = from(x); column <= to(x); column++) {
      let hits = 0
      for (let s = 0; s < samples * samples; s++) {
        const sx = column + ((s % samples) + 0.5) / samples
        const sy = row + (Math.floor(s / samples) + 0.5) / samples
        if (covers((sx - x) / r, (sy - y) / r)) hits++
      }
      if (hits === 0) continue
      const share = hits / (samples * samples)
      const at = (row * size + column) * 3
      for (let c = 0; c < 3; c++) pixels[at + c] = Math.round(background[c]! * (1 - share) + colour[c]! * share)
    }
  }
}

/** An image of nothing: PNG bytes of the background colour, for answering without seeing. */
export function greyImage(width: number, height: number): Promise<Uint8Array> {
  const [r, g, b] = background
  return sharp({ create: { width, height, channels: 3, background: { r, g, b } } })
    .png()
    .toBuffer()
}
