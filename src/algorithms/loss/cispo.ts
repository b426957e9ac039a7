/**
 * CISPO (MiniMax-M1): the clipped ratio is a constant weight of REINFORCE, so no token loses its gradient.
 *
 *   l = -sg[clip(r, low, high)] A logp
 *
 * bound absolute: [clipLow, clipHigh], e.g. 0 and 5 (TRL, ms-swift: epsilon_high = 5).
 * bound relative: [1 - clipLow, 1 + clipHigh] (verl, EasyR1); clipLow 1 and clipHigh 4 is the same as absolute 0 and 5.
 */
import { clamp, defineLoss } from './define.ts'

export const cispo = defineLoss({
  kind: 'cispo',
  source: 'CISPO, arXiv 2506.13585; TRL, verl, EasyR1 cispo',
  statistic: null,
  row(t, { bound, clipLow, clipHigh }) {
    const [low, high] = bound === 'absolute' ? [clipLow, clipHigh] : [1 - clipLow, 1 + clipHigh]
    const weight = clamp(t.ratio, low, high) * t.advantage
    const clipped = t.ratio > high && t.advantage > 0 ? 2 : t.ratio < low && t.advantage < 0 ? 1 : 0
    return { loss: -weight * t.logp, slope: -weight, through: 0, clipped }
  },
  metrics: (completions) => {
    const sum = (key: 'high' | 'tokens') => completions.reduce((total, own) => total + own[key], 0)
    return { cispo_clip_ratio: sum('high') / Math.max(1, sum('tokens')) }
  },
})
