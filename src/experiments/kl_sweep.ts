/** What does the KL term keep? Trained on calculations alone, with a growing price of leaving the start. */
import { drawScatter } from '../report/scatter.ts'
import type { Arm, Experiment } from './define.ts'
import { accuracyCurve, drawAccuracies, entropyCurve, klCurve, rangeOf, rewardCurve } from './figures.ts'
import { type ArmResult, accuracyOf, changeOf, lateMean, type Results } from './results.ts'
import { sentence, signedPoints, whoIsAhead } from './wording.ts'

const coefficients = [0, 0.05, 0.2, 1]
const trained = ['arithmetic']
const retained = ['attribute', 'compare', 'count']

const arms = (): readonly Arm[] =>
  coefficients.map((coef) => ({
    name: `kl-${coef}`,
    label: `KL ${coef}`,
    // An unweighted term still measures the KL.
    settings: {
      algorithm: { kl: { coef: Math.max(coef, 1e-9), estimator: 'k3' } },
      // Fast enough that a policy that nothing holds moves far.
      optimizer: { lr: 2e-4, schedule: 'constant' },
    },
    rows: (row) => (trained.includes(row.kind) ? row : null),
  }))

export const klSweep: Experiment = {
  name: 'kl-sweep',
  question: 'What does the KL term keep, and what does it cost?',
  about: `GRPO on calculations only, with KL coefficients ${coefficients.join(', ')}. What the model knew before and is no longer asked about (counting, comparing, attributes) is tested at the end.`,
  steps: 80,
  arms,
  curves: [rewardCurve, accuracyCurve, klCurve, entropyCurve],
  columns: [
    { head: 'calculations', cell: ({ answers }) => `${(100 * accuracyOf(answers, trained).value).toFixed(1)} %` },
    { head: 'not trained on', cell: ({ answers }) => `${(100 * accuracyOf(answers, retained).value).toFixed(1)} %` },
    { head: 'KL at the end', cell: (arm) => lateMean(arm, 'kl').toFixed(4) },
  ],
  conclude(results) {
    return { answer: conclusion(results), figures: [tradeOff(results), retention(results)] }
  },
}

function conclusion({ start, arms }: Results): string {
  const say = (arm: ArmResult) =>
    `at ${arm.arm.label} reward ends at ${lateMean(arm, 'reward').toFixed(2)} and what was not trained on changes by ${signedPoints(changeOf(start, arm.answers, retained))} points`
  const [free, dear] = [arms[0]!, arms.at(-1)!]
  const kept = whoIsAhead(dear, free, retained, 'on what was not trained on')
  return [say(free), say(dear), kept].map(sentence).join(' ')
}

/** Reward of completions as sampled: greedy answers hide how sure a policy is of them. */
function tradeOff({ start, arms }: Results): string {
  const firstReward = arms[0]?.records.find(({ reward }) => reward !== undefined)?.reward ?? Number.NaN
  const dot = (label: string, colour: number, answers: Results['start'], y: number) => {
    const x = accuracyOf(answers, retained)
    return { label, colour, x: x.value, y, xRange: rangeOf(x) }
  }
  return drawScatter({
    title: 'What is learnt and what is kept',
    about: 'a dot per KL coefficient, from the strongest to none; up and right is better',
    x: { label: 'accuracy on what was not trained on', percent: true },
    y: { label: 'reward, last quarter of steps' },
    joined: true,
    dots: [
      dot('start', 7, start, firstReward),
      ...arms
        .toReversed()
        .map((result) => dot(result.arm.label, result.place, result.answers, lateMean(result, 'reward'))),
    ],
  })
}

const retention = (results: Results) => drawAccuracies(results, 'Kept: accuracy on what was not trained on', retained)
