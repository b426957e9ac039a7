/** The training reward climbs and held-out accuracy falls: the policy learns the reward, not the task. */
import { defineAlarm, lastValues, meanOf, shown } from './define.ts'

export const rewardWithoutProgress = defineAlarm({
  name: 'reward_without_progress',
  about: 'The training reward rises while held-out accuracy falls.',
  remedy: 'Read the completions of both splits. The reward may pay for something the task does not ask for.',
  thresholds: {
    gain: { default: 0.1, about: 'Rise of the reward between the two halves of the window.' },
    loss: { default: 0.03, about: 'Fall of held-out accuracy between the last two evaluations.' },
    steps: { default: 20, about: 'Window, in steps.' },
  },
  check({ steps: records, evaluations }, { gain, loss, steps }) {
    const rewards = lastValues(records, 'reward', steps)
    const accuracy = lastValues(evaluations, 'eval_accuracy', 2)
    if (!rewards || !accuracy) return null
    const half = rewards.length >> 1
    const rise = meanOf(rewards.slice(half)) - meanOf(rewards.slice(0, half))
    const fall = accuracy[0]! - accuracy[1]!
    if (rise <= gain || fall <= loss) return null
    return `reward rose by ${shown(rise)} in ${steps} steps, held-out accuracy fell by ${shown(fall)}`
  },
})
