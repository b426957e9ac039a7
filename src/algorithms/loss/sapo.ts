/**
 * SAPO: a sigmoid gate in place of the hard clip.
 *
 *   l = -(4 / tau) s A      s = sigmoid(tau (r - 1)), tau = tauPositive for A > 0, else tauNegative
 *   dl/dlogp = -4 s (1 - s) r A
 */
import { defineLoss } from './define.ts'

export const sapo = defineLoss({
  kind: 'sapo',
  source: 'SAPO, arXiv 2511.20347; TRL, verl, EasyR1, ms-swift sapo',
  statistic: null,
  row(t, { tauPositive, tauNegative }) {
    const tau = t.advantage > 0 ? tauPositive : tauNegative
    const e = Math.exp(Math.min(-tau * (t.ratio - 1), 700))
    const s = 1 / (1 + e)
    const slope = -4 * s * (e * s) * t.ratio * t.advantage * t.live
    return { loss: (-4 / tau) * s * t.advantage, slope, through: 0, clipped: 0 }
  },
})
