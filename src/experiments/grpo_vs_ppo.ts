/** Does a critic pay? GRPO compares a completion with its group, PPO with a learnt value. */
import { drawBars } from '../report/bars.ts'
import type { Arm, Experiment } from './define.ts'
import { accuracyCurve, drawAccuracies, entropyCurve, klCurve, lengthCurve, rewardCurve } from './figures.ts'
import { type ArmResult, armOf, lateMean, type Results, secondsPerStep } from './results.ts'
import { sentence, whoIsAhead } from './wording.ts'

const kl = { coef: 0.005, estimator: 'k3' } as const

const arms: readonly Arm[] = [
  { name: 'grpo', label: 'GRPO', settings: { algorithm: { trainer: 'grpo', kl } } },
  {
    name: 'ppo',
    label: 'PPO',
    settings: {
      algorithm: {
        ...{ trainer: 'ppo', kl },
        advantage: { kind: 'gae', gamma: 1, lambda: 1 },
        critic: { lr: 3e-4 },
      },
    },
  },
]

const varianceCurve = {
  metric: 'rewards/accuracy/std',
  title: 'Reward variance',
  about: "over a step's completions",
  fromZero: true,
  of: (deviation: number) => deviation ** 2,
}

const rewardVariance = (arm: ArmResult) => lateMean(arm, varianceCurve.metric) ** 2

const drawLate = ({ arms: all }: Results, title: string, of: string, value: (arm: ArmResult) => number) =>
  drawBars({
    title,
    about: `${of}, mean of the last quarter of steps`,
    bars: all.map((arm) => ({ label: arm.arm.label, colour: arm.place, value: value(arm) })),
  })

export const grpoVsPpo: Experiment = {
  name: 'grpo-vs-ppo',
  question: 'Does a critic pay?',
  about:
    'GRPO and PPO with the same prompts, completions, updates, learning rate and KL term. GRPO takes a completion’s reward minus the mean of its group; PPO takes the reward minus the value that a second model, the critic, has learnt to expect at each token.',
  steps: 100,
  arms: () => arms,
  curves: [
    accuracyCurve,
    rewardCurve,
    klCurve,
    varianceCurve,
    entropyCurve,
    lengthCurve,
    {
      metric: 'critic/vf_explained_var',
      title: 'What the critic explains',
      about: 'share of the variance of returns; 0 = as good as a constant',
      percent: true,
      fromZero: true,
    },
    { metric: 'step_time', title: 'Seconds per step', about: 'on this machine', fromZero: true },
  ],
  columns: [
    { head: 'KL at the end', cell: (arm) => lateMean(arm, 'kl').toFixed(4) },
    { head: 'reward variance at the end', cell: (arm) => rewardVariance(arm).toFixed(3) },
  ],
  conclude(results) {
    const [grpo, ppo] = [armOf(results, 'grpo'), armOf(results, 'ppo')]
    const cost = secondsPerStep(ppo) / secondsPerStep(grpo)
    return {
      answer: `${sentence(whoIsAhead(grpo, ppo))} A step with the critic takes ${cost.toFixed(1)} times as long.`,
      figures: [
        drawAccuracies(results, 'Held-out accuracy'),
        drawLate(results, 'KL to the start', 'nats per token', (arm) => lateMean(arm, 'kl')),
        drawLate(results, 'Reward variance', "of a step's completions", rewardVariance),
      ],
    }
  },
}
