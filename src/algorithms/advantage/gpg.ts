/** alpha (r - mean), alpha = rows / rows with a reward over the batch: what flat groups lack is made up for. */
import { defineAdvantage, meanStd } from './define.ts'

export const gpg = defineAdvantage({
  kind: 'gpg',
  source: 'GPG, arXiv 2504.02546; verl gpg',
  compute({ rewards, batch }) {
    const alpha = batch.length / Math.max(1, batch.filter((r) => r !== 0).length)
    const { mean } = meanStd(rewards)
    return rewards.map((r) => alpha * (r - mean))
  },
})
