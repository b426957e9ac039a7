/**
 * NoisyRollout (Liu et al. 2025, arXiv 2504.13055): some completions of each group are sampled from a noised image; all
 * share one mean and deviation, and the update sees the clean image only. The noise fades over the run.
 *
 *   step t = floor(noiseStep * decay(s))     beta = sigmoid(linspace(-6, 6, 1000)) (0.005 - 1e-5) + 1e-5
 *   alpha  = product of (1 - beta) up to t   x = sqrt(alpha) x + sqrt(1 - alpha) normal, clamped to [0, 1]
 *   decay  sigmoid: 1 - 1 / (1 + exp(-gamma (s - middle) / S))     linear: 1 - s/S
 *          power: 1 - (s/S)^gamma                                  exponential: 1 - gamma^(S - s)
 *
 * Noisy completions are off-policy by design: no importance correction is applied to them.
 */
import { choice, decimal, whole } from '../core/parameters.ts'
import type { Random } from '../core/random.ts'
import { defineMethod, type Pixels } from './define.ts'

export type Decay = 'sigmoid' | 'linear' | 'power' | 'exponential'

/** Share of the noise left at step `s` of `S`. */
export function noiseDecay(kind: Decay, s: number, S: number, gamma: number, middle: number): number {
  switch (kind) {
    case 'sigmoid':
      return 1 - 1 / (1 + Math.exp((-gamma * (s - middle)) / S))
    case 'linear':
      return 1 - s / S
    case 'power':
      return 1 - (s / S) ** gamma
    case 'exponential':
      return 1 - gamma ** (S - s)
  }
}

const levels = 1000

/** Product of 1 - beta over the first `t` + 1 levels: the share of the signal's variance that is left. */
export function signalLeft(t: number): number {
  let alpha = 1
  for (let k = 0; k <= Math.min(t, levels - 1); k++) {
    const sigmoid = 1 / (1 + Math.exp(-(-6 + (12 * k) / (levels - 1))))
    alpha *= 1 - (sigmoid * (0.5e-2 - 1e-5) + 1e-5)
  }
  return alpha
}

/** The image after diffusion to level `t`. */
export function diffuse({ rgb: data, width, height }: Pixels, t: number, random: Random): Pixels {
  const alpha = signalLeft(t)
  const [keep, add] = [Math.sqrt(alpha), Math.sqrt(1 - alpha)]
  const noised = data.map((value) => {
    const normal = Math.sqrt(-2 * Math.log(1 - random.unit())) * Math.cos(2 * Math.PI * random.unit())
    return Math.round(255 * Math.min(1, Math.max(0, keep * (value / 255) + add * normal)))
  })
  return { rgb: noised, width, height }
}

export const noisyRollout = defineMethod({
  name: 'noisy_rollout',
  about:
    'Samples part of each group from noised images, so that the policy explores how it sees; updates on the clean ones.',
  source: 'NoisyRollout, Liu et al. 2025, arXiv 2504.13055',
  parameters: {
    noisy: decimal(0.5, 'Share of the group that is sampled from noised images.', 0, 1),
    noiseStep: whole(500, 'Level of the diffusion at the start, of 1000.', 0, levels),
    decay: choice(['sigmoid', 'linear', 'power', 'exponential'], 'How the noise fades.'),
    gamma: decimal(30, 'Steepness of sigmoid, exponent of power, base of exponential.'),
    middle: decimal(40, 'Step at which the sigmoid has lost half of the noise.'),
  },
  create: ({ noisy, noiseStep, decay, gamma, middle }) => ({
    augmentRollout(row, stage) {
      const samples = Math.round(stage.groupSize * noisy)
      const clean = { tag: 'clean', samples: stage.groupSize - samples }
      const t = Math.floor(noiseStep * noiseDecay(decay, stage.step, stage.steps, gamma, middle))
      if (samples === 0 || t <= 0 || row.images.length === 0) return [{ tag: 'clean', samples: stage.groupSize }]
      const transform = (image: Pixels, index: number) => diffuse(image, t, stage.random(index, image.rgb.length))
      return [clean, { tag: 'noisy', samples, transform }].filter((variant) => variant.samples > 0)
    },
  }),
})
