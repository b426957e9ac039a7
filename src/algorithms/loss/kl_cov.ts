/**
 * KL-Cov: no clip; tokens whose log-prob and advantage covary most (`selected`, ../mask/covariance.ts) pay for moving.
 *
 *   l = -r A + selected covCoef |delta|
 */
import { defineLoss } from './define.ts'

export const klCov = defineLoss({
  kind: 'kl-cov',
  source: 'KL-Cov, arXiv 2505.22617; verl kl_cov',
  statistic: null,
  row(t, { covCoef }) {
    const price = t.selected * covCoef
    const slope = (-t.ratio * t.advantage + price * Math.sign(t.delta)) * t.live
    return { loss: -t.ratio * t.advantage + price * Math.abs(t.delta), slope, through: 0, clipped: 0 }
  },
})
