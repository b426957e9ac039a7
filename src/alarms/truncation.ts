/** Completions that end at the limit have no answer to judge. */
import { defineAlarm, meanAbove, shown } from './define.ts'

export const truncation = defineAlarm({
  name: 'truncation',
  about: 'Many completions end at the length limit instead of by themselves.',
  remedy:
    'Raise rollout.maxNewTokens, shape long answers down (overlong punishment), or check that the chat template ends a turn with the tokenizer’s end token.',
  thresholds: {
    share: { default: 0.3, about: 'Share of completions that end at the limit.' },
    steps: { default: 5, about: 'Steps it is averaged over.' },
  },
  check(view, { share, steps }) {
    const mean = meanAbove(view, 'completions/clipped_ratio', steps, share)
    return mean === null ? null : `${shown(mean * 100)} % of the completions of the last ${steps} steps were cut off`
  },
})
