/** `regression`: 1 minus the relative error of the number in the answer, not below 0 (Video-R1's regression tasks). */
import { defineReward } from './define.ts'
import { numberIn } from './numbers.ts'

/** Keeps 0 against 0 at no error. */
const tiny = 1e-9

export const regression = defineReward({
  name: 'regression',
  description: '1 - min(1, |x - t| / |t|); 0 without a number.',
  score({ completion, answer }) {
    const t = answer === null ? null : numberIn(answer)
    if (t === null) return null
    const x = numberIn(completion)
    return x === null ? 0 : 1 - Math.min(1, Math.abs(x - t) / (Math.abs(t) + tiny))
  },
})
