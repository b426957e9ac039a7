/** Groups whose completions all score alike teach nothing: their advantages are 0 (the loss of a GRPO step is then 0). */
import { defineAlarm, meanAbove, shown } from './define.ts'

export const vanishingAdvantages = defineAlarm({
  name: 'vanishing_advantages',
  about: 'In most groups all completions score alike, so their advantages are 0.',
  remedy:
    'Ask harder or easier questions (a curriculum or dynamic sampling), sample more completions per group, or raise the temperature.',
  thresholds: {
    share: { default: 0.8, about: 'Share of groups without a spread of rewards.' },
    steps: { default: 10, about: 'Steps it is averaged over.' },
  },
  check(view, { share, steps }) {
    const mean = meanAbove(view, 'frac_reward_zero_std', steps, share)
    return mean === null ? null : `${shown(mean * 100)} % of the groups of the last ${steps} steps have equal rewards`
  },
})
