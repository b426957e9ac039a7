/** Reward hacking in its mildest form: the points come from the form of the answer, and what it says stays wrong. */
import { defineAlarm, lastValues, meanOf, shown } from './define.ts'

export const formatOnly = defineAlarm({
  name: 'format_only',
  about: 'The reward grows through the form of answers alone.',
  remedy:
    'Raise the weight of the reward that judges the answer, or make the format a condition (a gate) instead of a sum.',
  examples: true,
  thresholds: {
    gain: { default: 0.2, about: 'Gain of a form reward between the two halves of the window.' },
    steps: { default: 20, about: 'Window, in steps.' },
    flat: { default: 0.02, about: 'A gain up to this counts as none.' },
  },
  check({ steps: records, rewards }, { gain, steps, flat }) {
    const gains = rewards.flatMap(({ name, weight }) => {
      const values = lastValues(records, `rewards/${name}/mean`, steps)
      if (!values || weight <= 0) return []
      const half = values.length >> 1
      return [{ name, gain: meanOf(values.slice(half)) - meanOf(values.slice(0, half)) }]
    })
    const form = gains.filter(({ name }) => isForm(name))
    const rest = gains.filter(({ name }) => !isForm(name))
    const best = form.find((reward) => reward.gain > gain)
    if (!best || rest.length === 0 || rest.some((reward) => reward.gain > flat)) return null
    return `${best.name} gained ${shown(best.gain)} in ${steps} steps, ${rest.map((r) => r.name).join(', ')} nothing`
  },
})

const isForm = (name: string) => /format|tag|length|repetition|overlong|cosine/.test(name)
