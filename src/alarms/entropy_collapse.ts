/** A policy without entropy samples the same completion G times: nothing is compared any more. */
import { defineAlarm, lastValues, meanOf, shown } from './define.ts'

export const entropyCollapse = defineAlarm({
  name: 'entropy_collapse',
  about: 'The policy has stopped exploring.',
  remedy: 'Raise the upper clip bound (clip-higher), add an entropy bonus or KL-Cov, or raise the temperature.',
  thresholds: {
    nats: { default: 0.02, about: 'Mean entropy per token.' },
    steps: { default: 5, about: 'Steps it is averaged over.' },
  },
  check({ steps: records }, { nats, steps }) {
    const values = lastValues(records, 'entropy', steps)
    if (!values || meanOf(values) >= nats) return null
    return `entropy is ${shown(meanOf(values))} nats per token over the last ${steps} steps`
  },
})
