/** Clipping much means learning from samples of a policy that is long gone. */
import { defineAlarm, meanAbove, shown } from './define.ts'

export const offPolicy = defineAlarm({
  name: 'off_policy',
  about: 'A large share of tokens is clipped: the samples are too old.',
  remedy: 'Fewer mini-batches or updates per rollout, or a lower learning rate.',
  thresholds: {
    share: { default: 0.25, about: 'Share of tokens outside the clip bounds.' },
    steps: { default: 5, about: 'Steps it is averaged over.' },
  },
  check(view, { share, steps }) {
    const mean = meanAbove(view, 'clip_ratio/region_mean', steps, share)
    return mean === null ? null : `${shown(mean * 100)} % of the tokens of the last ${steps} steps were clipped`
  },
})
