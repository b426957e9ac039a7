/** Does judging steps pay where right answers hide wrong ones? */
import { join } from 'node:path'
import { createRandom } from '../core/random.ts'
import { drawBars } from '../report/bars.ts'
import type { Arm, Curve, Experiment, ShapesLine } from './define.ts'
import { accuracyCurve, drawAccuracies, entropyCurve, klCurve, lengthCurve } from './figures.ts'
import { type ArmResult, accuracyOf, armOf, type Results } from './results.ts'
import { sentence, whoIsAhead } from './wording.ts'

const stepJudge = join(import.meta.dirname, 'step_judge.mjs')
const judged = (weight: number) => [{ name: 'accuracy' as const }, { file: stepJudge, weight, as: 'steps' }]

const workingOf = (target: string) => /^<think>(.*)<\/think>/.exec(target)?.[1] ?? ''

/** Rows of which the true working is known. */
function worked(row: ShapesLine): ShapesLine | null {
  const working = workingOf(row.target)
  return row.kind === 'arithmetic' && working !== '' ? { ...row, working } : null
}

const perturbedShare = 0.6

/** The counts that a worked target begins with, most of them one too high; figures and answer stay right. */
export function perturbed(row: ShapesLine, index: number): ShapesLine | null {
  const given = worked(row)
  if (!given) return null
  const random = createRandom(perturbedSeed, index)
  const [tally, ...rest] = given.target.split(',')
  const wrong = tally!.replaceAll(/ (\d)/g, (text, count: string) =>
    random.unit() < perturbedShare ? ` ${Number(count) + 1}` : text,
  )
  return { ...given, target: [wrong, ...rest].join(',') }
}

const perturbedSeed = 0xbad

const after = 'perturbed'
const rows = { rows: worked, heldOut: (row: ShapesLine) => worked(row) ?? row }

const arms = (steps: number): readonly Arm[] => [
  {
    ...{ name: after, label: 'imitates wrong steps', rows: perturbed, heldOut: rows.heldOut },
    settings: {
      algorithm: { trainer: 'sft' },
      rewards: judged(0),
      optimizer: { lr: 3e-4, beta2: 0.95 },
      train: { steps: Math.ceil(steps / 2) },
    },
  },
  { ...{ name: 'outcome', label: 'outcome', after, ...rows }, settings: { rewards: judged(0) } },
  {
    ...{ name: 'process', label: 'outcome + process', after, ...rows },
    settings: { rewards: judged(1), algorithm: { advantage: { process: { share: 0.5 } } } },
  },
]

const stepsCurve: Curve = {
  metric: 'eval_rewards/steps/mean',
  title: 'Right steps on the way',
  about: 'share of the true steps of held-out calculations, greedy',
  percent: true,
}

export const processRewards: Experiment = {
  name: 'process-rewards',
  question: 'Does judging steps pay where right answers hide wrong ones?',
  about:
    'A model first imitates calculations in which most counts are one too high while figures and answer are right. Then GRPO on the same questions, once paid for right answers alone, once for right steps as well (algorithm.advantage.process, share 0.5).',
  steps: 80,
  arms,
  curves: [
    stepsCurve,
    accuracyCurve,
    { metric: 'rewards/accuracy/mean', title: 'Right answers', about: "share of a step's completions", percent: true },
    { metric: 'rewards/steps/mean', title: 'Right steps', about: "share, mean of a step's completions", percent: true },
    lengthCurve,
    entropyCurve,
    klCurve,
  ],
  columns: [
    {
      head: 'calculations',
      cell: ({ answers }) => `${(100 * accuracyOf(answers, ['arithmetic']).value).toFixed(1)} %`,
    },
    { head: 'right steps', cell: (arm) => `${(100 * rightSteps(arm)).toFixed(1)} %` },
  ],
  conclude(results) {
    const [before, outcome, both] = [after, 'outcome', 'process'].map((name) => armOf(results, name))
    const percent = (arm: ArmResult) => `${(100 * rightSteps(arm)).toFixed(1)} %`
    return {
      answer: [
        `right steps of held-out calculations go from ${percent(before!)} to ${percent(outcome!)} with the outcome alone, to ${percent(both!)} with steps judged as well`,
        whoIsAhead(both!, outcome!, ['arithmetic'], 'in the accuracy of calculations'),
      ]
        .map(sentence)
        .join(' '),
      figures: [drawSteps(results), drawAccuracies(results, 'Accuracy of held-out calculations', ['arithmetic'])],
    }
  },
}

/** Of the last evaluation of the run. */
function rightSteps({ records }: ArmResult): number {
  return records.findLast((record) => record[stepsCurve.metric] !== undefined)?.[stepsCurve.metric] ?? Number.NaN
}

const drawSteps = ({ arms }: Results): string =>
  drawBars({
    title: 'Right steps of held-out calculations',
    about: 'share of the true steps that are there, greedy, rows with a known working among 300',
    percent: true,
    bars: arms.map((result) => ({ label: result.arm.label, colour: result.place, value: rightSteps(result) })),
  })
