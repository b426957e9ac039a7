/** REINFORCE (Williams 1992), as GPG uses it: l = -A logp. */
import { defineLoss } from './define.ts'

export const reinforce = defineLoss({
  kind: 'reinforce',
  source: 'REINFORCE; GPG, arXiv 2504.02546; verl gpg',
  statistic: null,
  row: (t) => ({ loss: -t.advantage * t.logp, slope: -t.advantage, through: 0, clipped: 0 }),
})
