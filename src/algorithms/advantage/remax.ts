/** Reward minus that of the prompt's greedy completion. A prompt without one has advantage 0. */
import { defineAdvantage } from './define.ts'

export const remax = defineAdvantage({
  kind: 'remax',
  source: 'ReMax, arXiv 2310.10505; verl remax',
  compute: ({ rewards, baselines }) => rewards.map((r, i) => (Number.isNaN(baselines[i]!) ? 0 : r - baselines[i]!)),
})
