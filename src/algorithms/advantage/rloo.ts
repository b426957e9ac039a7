/** Reward minus the mean of the other completions: G/(G-1) (r - mean). A single completion keeps its reward. */
import { defineAdvantage, meanStd } from './define.ts'

export const rloo = defineAdvantage({
  kind: 'rloo',
  source: 'RLOO, arXiv 2402.14740; TRL RLOOTrainer, verl rloo',
  compute({ rewards }) {
    const { mean } = meanStd(rewards)
    const n = rewards.length
    return n === 1 ? rewards : rewards.map((r) => (n / (n - 1)) * (r - mean))
  },
})
