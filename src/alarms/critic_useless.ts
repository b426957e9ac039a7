/** A critic that explains less than the mean does adds noise to every advantage. */
import { defineAlarm, lastValues, meanOf, shown } from './define.ts'

export const criticUseless = defineAlarm({
  name: 'critic_useless',
  about: 'The critic explains none of the variance of returns.',
  remedy: 'Train the critic alone for some steps first (warm-up), raise its learning rate, or use group advantages.',
  thresholds: {
    variance: { default: 0, about: 'Explained variance must be above this.' },
    steps: { default: 15, about: 'Steps in a row below it.' },
  },
  check({ steps: records }, { variance, steps }) {
    const values = lastValues(records, 'critic/vf_explained_var', steps)
    if (!values?.every((value) => value < variance)) return null
    return `explained variance is ${shown(meanOf(values))} over the last ${steps} steps`
  },
})
