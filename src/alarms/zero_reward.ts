/** A reward that never gives anything is more often a parser that finds no answer than a model that knows nothing. */
import { defineAlarm, lastValues } from './define.ts'

export const zeroReward = defineAlarm({
  name: 'zero_reward',
  about: 'A reward has been 0 for every completion.',
  remedy:
    'Look at the parsed examples in the report: the answer may be written in another form than the reward looks for, or the ground truth may be in another column.',
  examples: true,
  thresholds: { steps: { default: 20, about: 'Steps in a row without a single point.' } },
  check({ steps: records, rewards }, { steps }) {
    const silent = rewards.filter(({ name, weight }) => {
      const values = lastValues(records, `rewards/${name}/mean`, steps)
      return weight > 0 && values?.every((value) => value === 0)
    })
    if (silent.length === 0) return null
    return `${silent.map(({ name }) => name).join(', ')}: 0 for every completion of the last ${steps} steps`
  },
})
