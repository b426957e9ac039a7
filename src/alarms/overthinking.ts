/** Length without gain: answers grow, held-out accuracy does not. */
import { defineAlarm, lastValues, meanOf, shown } from './define.ts'

export const overthinking = defineAlarm({
  name: 'overthinking',
  about: 'Completions grow while held-out accuracy stays where it was.',
  remedy:
    'Shape length (cosine or overlong reward, fast-slow control), or check that longer answers are not scored better by mistake.',
  thresholds: {
    growth: { default: 1.5, about: 'Mean length now, as a multiple of that at the beginning of the window.' },
    steps: { default: 40, about: 'Window, in steps.' },
    gain: { default: 0.01, about: 'Held-out accuracy must have risen by more than this.' },
  },
  check({ steps: records, evaluations }, { growth, steps, gain }) {
    const lengths = lastValues(records, 'completions/mean_length', steps)
    const accuracy = lastValues(evaluations, 'eval_accuracy', 2)
    if (!lengths || !accuracy) return null
    const edge = Math.max(1, Math.floor(steps / 4))
    const [before, now] = [meanOf(lengths.slice(0, edge)), meanOf(lengths.slice(-edge))]
    if (now <= growth * before || accuracy[1]! - accuracy[0]! > gain) return null
    return `mean length went from ${shown(before)} to ${shown(now)} tokens, held-out accuracy from ${shown(accuracy[0]!)} to ${shown(accuracy[1]!)}`
  },
})
