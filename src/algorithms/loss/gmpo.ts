/**
 * GMPO: the geometric mean of token ratios, each clipped one-sidedly in log space.
 *
 *   delta'_t = A > 0 ? min(delta, clipHigh) : max(delta, -clipLow)       l = -A exp(mean_t delta')
 */
import { defineLoss, type Token } from './define.ts'
import { sequenceRatio } from './sequence_clip.ts'

const above = (t: Token, high: number) => t.advantage > 0 && t.delta > high
const below = (t: Token, low: number) => !(t.advantage > 0) && t.delta < -low

export const gmpo = defineLoss({
  kind: 'gmpo',
  source: 'GMPO, arXiv 2507.20673; TRL GMPOTrainer, verl geo_mean',
  statistic: 'mean',
  part(t, { clipLow, clipHigh }) {
    if (above(t, clipHigh)) return { value: clipHigh, slope: 0 }
    return below(t, clipLow) ? { value: -clipLow, slope: 0 } : { value: t.delta, slope: t.live }
  },
  row(t, { clipLow, clipHigh }, statistic) {
    const { ratio, live } = sequenceRatio(statistic)
    const loss = -t.advantage * ratio
    return { loss, slope: 0, through: loss * live, clipped: above(t, clipHigh) ? 2 : below(t, clipLow) ? 1 : 0 }
  },
})
