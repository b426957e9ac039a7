/** Only the best completion is pushed, by its lead: (best - second) / (std + eps); 0 in a tie and for all others. */
import { defineAdvantage, meanStd } from './define.ts'

export const passAtK = defineAdvantage({
  kind: 'pass-at-k',
  source: 'pass@k policy optimisation, arXiv 2503.19595; verl grpo_passk',
  compute({ rewards }, { eps, ddof }) {
    const best = rewards.indexOf(Math.max(...rewards))
    const second = Math.max(...rewards.filter((_, i) => i !== best))
    const lead = rewards.length > 1 && rewards[best]! !== second ? rewards[best]! - second : 0
    return rewards.map((_, i) => (i === best && lead > 0 ? lead / (meanStd(rewards, ddof).std + eps) : 0))
  },
})
