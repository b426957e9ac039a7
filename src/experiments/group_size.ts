/** Many prompts or large groups? 4, 8 and 16 completions per prompt, out of the same number of completions. */
import { drawScatter } from '../report/scatter.ts'
import type { Experiment } from './define.ts'
import { accuracyCurve, drawAccuracies, entropyCurve, flatCurve, rangeOf, rewardCurve } from './figures.ts'
import { accuracyOf, armOf, changeOf, lateMean, secondsPerStep } from './results.ts'
import { isClear, sentence, whoIsAhead } from './wording.ts'

const completionsPerStep = 256
const sizes = [4, 8, 16]

export const groupSize: Experiment = {
  name: 'group-size',
  question: 'Many prompts or large groups?',
  about: `${completionsPerStep} completions a step in groups of 4, 8 or 16: 64, 32 or 16 prompts. Large groups judge each prompt better and are less often flat; small ones see more prompts, and pay for reading them.`,
  steps: 80,
  arms: () =>
    sizes.map((size) => ({
      name: `groups-of-${size}`,
      label: `group size ${size}`,
      settings: { rollout: { promptsPerStep: completionsPerStep / size, groupSize: size } },
    })),
  curves: [
    accuracyCurve,
    rewardCurve,
    flatCurve,
    entropyCurve,
    { metric: 'grad_norm', title: 'Gradient norm', about: 'before clipping', fromZero: true },
    { metric: 'step_time', title: 'Seconds per step', about: 'on this machine', fromZero: true },
  ],
  columns: [
    { head: 'flat groups at the end', cell: (arm) => `${(100 * lateMean(arm, 'frac_reward_zero_std')).toFixed(0)} %` },
  ],
  conclude(results) {
    const arms = sizes.map((size) => armOf(results, `groups-of-${size}`))
    const best = arms.reduce((a, b) => (accuracyOf(b.answers).value > accuracyOf(a.answers).value ? b : a))
    const others = arms.filter((arm) => arm !== best)
    const clear = others.filter((arm) => isClear(changeOf(arm.answers, best.answers)))
    const [first, last] = [arms[0]!, arms.at(-1)!]
    const flat = [first, last].map((arm) => `${(100 * lateMean(arm, 'frac_reward_zero_std')).toFixed(0)} %`)
    const answer =
      clear.length > 0
        ? clear.map((arm) => sentence(whoIsAhead(best, arm))).join(' ')
        : sentence(whoIsAhead(first, last))
    return {
      answer: `${answer} Flat groups at the end: ${flat[0]} with 4 per prompt, ${flat[1]} with 16; a step took ${(secondsPerStep(first) / secondsPerStep(last)).toFixed(1)} times as long with 4 as with 16.`,
      figures: [
        drawScatter({
          title: 'What it costs and what it brings',
          about: 'same number of completions; up and left is better',
          x: { label: 'seconds per step', include: [0] },
          y: { label: 'held-out accuracy', percent: true },
          dots: arms.map((result) => {
            const { arm, place, answers } = result
            const accuracy = accuracyOf(answers)
            return {
              ...{ label: arm.label, colour: place },
              ...{ x: secondsPerStep(result), y: accuracy.value, yRange: rangeOf(accuracy) },
            }
          }),
        }),
        drawAccuracies(results, 'Held-out accuracy'),
      ],
    }
  },
}
