/** Reward minus the length-weighted mean, which minimises the variance: A = r - sum T r / sum T. */
import { defineAdvantage } from './define.ts'

export const opo = defineAdvantage({
  kind: 'opo',
  source: 'OPO, arXiv 2505.23585; verl opo',
  compute({ rewards, lengths }) {
    const tokens = lengths.reduce((sum, n) => sum + n, 0)
    const above = rewards.reduce((sum, r, i) => sum + lengths[i]! * (r - rewards[0]!), 0)
    const baseline = rewards[0]! + (tokens === 0 ? 0 : above / tokens)
    return rewards.map((r) => r - baseline)
  },
})
