/** Loops: text that says the same again earns nothing and fills the window. */
import { defineAlarm, meanAbove, shown } from './define.ts'

export const repetition = defineAlarm({
  name: 'repetition',
  about: 'Completions repeat themselves.',
  remedy: 'Add a repetition penalty to the rewards, lower the learning rate, or add a KL term.',
  thresholds: {
    share: { default: 0.3, about: 'Share of the 4-grams of tokens that occurred before in the same completion.' },
    steps: { default: 5, about: 'Steps it is averaged over.' },
  },
  check(view, { share, steps }) {
    const mean = meanAbove(view, 'completions/repetition', steps, share)
    return mean === null ? null : `${shown(mean * 100)} % of the 4-grams of the last ${steps} steps are repeats`
  },
})
