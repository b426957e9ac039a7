/**
 * Image augmentation of rollouts: rotation, a black rectangle, colour, blur. As in NoisyRollout the update sees the image
 * as it is. Strengths fall linearly to 0 over the run when `fade` is on.
 */
import { choice, decimal, flag } from '../core/parameters.ts'
import type { Random } from '../core/random.ts'
import { defineMethod, type Pixels } from './define.ts'

const clamp = (value: number) => Math.min(255, Math.max(0, Math.round(value)))

/** Rotated about its centre by `degrees`, bilinear; what comes from outside is black. */
export function rotate({ rgb: data, width, height }: Pixels, degrees: number): Pixels {
  const [sin, cos] = [Math.sin((degrees * Math.PI) / 180), Math.cos((degrees * Math.PI) / 180)]
  const [cx, cy] = [(width - 1) / 2, (height - 1) / 2]
  const out = new Uint8Array(data.length)
  const at = (x: number, y: number, c: number) =>
    x < 0 || y < 0 || x >= width || y >= height ? 0 : data[(y * width + x) * 3 + c]!
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      const sx = cos * (x - cx) + sin * (y - cy) + cx
      const sy = -sin * (x - cx) + cos * (y - cy) + cy
      const [x0, y0] = [Math.floor(sx), Math.floor(sy)]
      const [fx, fy] = [sx - x0, sy - y0]
      for (let c = 0; c < 3; c++) {
        const top = at(x0, y0, c) * (1 - fx) + at(x0 + 1, y0, c) * fx
        const bottom = at(x0, y0 + 1, c) * (1 - fx) + at(x0 + 1, y0 + 1, c) * fx
        out[(y * width + x) * 3 + c] = clamp(top * (1 - fy) + bottom * fy)
      }
    }
  return { rgb: out, width, height }
}

/** A black rectangle of `share` of each side, anywhere. */
export function blackout({ rgb: data, width, height }: Pixels, share: number, random: Random): Pixels {
  const [w, h] = [Math.floor(width * share), Math.floor(height * share)]
  const [left, top] = [random.below(width - w + 1), random.below(height - h + 1)]
  const out = data.slice()
  for (let y = top; y < top + h; y++) out.fill(0, (y * width + left) * 3, (y * width + left + w) * 3)
  return { rgb: out, width, height }
}

/** Brightness, contrast and saturation each scaled by a factor in [1 - amount, 1 + amount]. */
export function jitterColour({ rgb: data, width, height }: Pixels, amount: number, random: Random): Pixels {
  const factor = () => 1 + amount * (2 * random.unit() - 1)
  const [brightness, contrast, saturation] = [factor(), factor(), factor()]
  const luma = (k: number) => 0.299 * data[k]! + 0.587 * data[k + 1]! + 0.114 * data[k + 2]!
  let mean = 0
  for (let k = 0; k < data.length; k += 3) mean += luma(k)
  mean /= data.length / 3
  const out = new Uint8Array(data.length)
  for (let k = 0; k < data.length; k += 3)
    for (let c = 0; c < 3; c++) {
      const saturated = luma(k) + saturation * (data[k + c]! - luma(k))
      out[k + c] = clamp(brightness * (mean + contrast * (saturated - mean)))
    }
  return { rgb: out, width, height }
}

/** Gaussian blur of the given deviation in pixels, edges repeated. */
export function blur(image: Pixels, sigma: number): Pixels {
  if (sigma <= 0) return image
  const radius = Math.ceil(3 * sigma)
  const weights = Array.from({ length: 2 * radius + 1 }, (_, k) => Math.exp(-((k - radius) ** 2) / (2 * sigma * sigma)))
  const sum = weights.reduce((a, b) => a + b, 0)
  const pass = ({ rgb: data, width, height }: Pixels, dx: number, dy: number): Pixels => {
    const out = new Uint8Array(data.length)
    const inside = (v: number, size: number) => Math.min(size - 1, Math.max(0, v))
    for (let y = 0; y < height; y++)
      for (let x = 0; x < width; x++)
        for (let c = 0; c < 3; c++) {
          let total = 0
          for (const [k, weight] of weights.entries()) {
            const [px, py] = [inside(x + dx * (k - radius), width), inside(y + dy * (k - radius), height)]
            total += weight * data[(py * width + px) * 3 + c]!
          }
          out[(y * width + x) * 3 + c] = clamp(total / sum)
        }
    return { rgb: out, width, height }
  }
  return pass(pass(image, 1, 0), 0, 1)
}

export const imageAugmentation = defineMethod({
  name: 'image_augmentation',
  about:
    'Samples part of each group from rotated, covered, recoloured or blurred images; updates on the images as they are.',
  source: 'NoisyRollout, Liu et al. 2025, section on other augmentations; Visual-RFT practice',
  parameters: {
    kind: choice(['rotate', 'blackout', 'colour', 'blur'], 'What is done to the image.'),
    strength: decimal(
      0.2,
      'rotate: turns of up to 90 degrees x this; blackout: side; colour: change; blur: pixels / 10.',
      0,
      1,
    ),
    share: decimal(0.5, 'Share of the group that is sampled from changed images.', 0, 1),
    fade: flag(true, 'The strength falls linearly to 0 over the run.'),
  },
  create: ({ kind, strength, share, fade }) => ({
    augmentRollout(row, stage) {
      const samples = Math.round(stage.groupSize * share)
      const amount = strength * (fade ? 1 - stage.step / stage.steps : 1)
      if (samples === 0 || amount <= 0 || row.images.length === 0) return [{ tag: 'clean', samples: stage.groupSize }]
      const transform = (image: Pixels, index: number) => apply(kind, image, amount, stage.random(index))
      const clean = { tag: 'clean', samples: stage.groupSize - samples }
      return [clean, { tag: kind, samples, transform }].filter((variant) => variant.samples > 0)
    },
  }),
})

function apply(kind: 'rotate' | 'blackout' | 'colour' | 'blur', image: Pixels, amount: number, random: Random): Pixels {
  switch (kind) {
    case 'rotate':
      return rotate(image, 90 * amount * (2 * random.unit() - 1))
    case 'blackout':
      return blackout(image, amount, random)
    case 'colour':
      return jitterColour(image, amount, random)
    case 'blur':
      return blur(image, 10 * amount)
  }
}
