/** Do changed images help where rows are few? */
import { drawScatter } from '../report/scatter.ts'
import type { Arm, Experiment } from './define.ts'
import { accuracyCurve, drawAccuracies, entropyCurve, flatCurve, rangeOf, rewardCurve } from './figures.ts'
import { accuracyOf, armOf, lateMean } from './results.ts'
import { sentence, whoIsAhead } from './wording.ts'

const fewRows = 64
const few: Arm['rows'] = (row, index) => (index < fewRows ? row : null)

/** Colours and shapes are what is asked about, so images are turned and noised, never recoloured. */
const arms = (steps: number): readonly Arm[] => [
  { name: 'plain', label: `${fewRows} rows as they are`, settings: {}, rows: few },
  {
    name: 'rotated',
    label: 'turned images',
    settings: {
      methods: [{ name: 'image_augmentation', parameters: { kind: 'rotate', strength: 0.06, share: 0.25 } }],
    },
    rows: few,
  },
  {
    name: 'noisy',
    label: 'noisy rollouts',
    settings: { methods: [{ name: 'noisy_rollout', parameters: { noisy: 0.25, noiseStep: 100, middle: steps / 2 } }] },
    rows: few,
  },
  { name: 'many', label: 'all rows', settings: {} },
]

export const augmentation: Experiment = {
  name: 'augmentation',
  question: 'Do changed images help where rows are few?',
  about: `GRPO on ${fewRows} rows seen over and over: as they are, with a quarter of each group sampled from slightly turned images (image_augmentation), or from slightly noised ones (noisy_rollout); and on all rows, for what more data would bring.`,
  steps: 80,
  arms,
  curves: [rewardCurve, accuracyCurve, flatCurve, entropyCurve],
  columns: [{ head: 'reward on its rows at the end', cell: (arm) => lateMean(arm, 'reward').toFixed(3) }],
  conclude(results) {
    const [plain, rotated, noisy, many] = ['plain', 'rotated', 'noisy', 'many'].map((name) => armOf(results, name))
    return {
      answer: [whoIsAhead(rotated!, plain!), whoIsAhead(noisy!, plain!), whoIsAhead(many!, plain!)]
        .map(sentence)
        .join(' '),
      figures: [
        drawAccuracies(results, 'Held-out accuracy'),
        drawScatter({
          title: 'Learnt by heart?',
          about: 'reward on training rows against accuracy on held-out ones; far right and low = learnt by heart',
          x: { label: 'reward on training rows, last quarter' },
          y: { label: 'held-out accuracy', percent: true },
          dots: results.arms.map((result) => {
            const accuracy = accuracyOf(result.answers)
            return {
              ...{ label: result.arm.label, colour: result.place },
              ...{ x: lateMean(result, 'reward'), y: accuracy.value, yRange: rangeOf(accuracy) },
            }
          }),
        }),
      ],
    }
  },
}
