/** What does reinforcement add to imitation? The same rows, once with their targets and once with their answers alone. */
import type { Arm, Experiment } from './define.ts'
import { accuracyCurve, drawAccuracies, entropyCurve, lengthCurve, rewardCurve } from './figures.ts'
import { armOf } from './results.ts'
import { sentence, whoIsAhead } from './wording.ts'

/** As many rows per step as reinforcement takes prompts. */
const imitation = {
  algorithm: { trainer: 'sft' },
  train: { batchSize: 32 },
  optimizer: { lr: 3e-4, schedule: 'linear', beta2: 0.95 },
} as const

const arms: readonly Arm[] = [
  { name: 'sft', label: 'SFT', settings: imitation },
  {
    name: 'sft-worked',
    label: 'SFT on worked rows',
    settings: imitation,
    rows: (row) => (row.target.startsWith('<think></think>') ? null : row),
  },
  { name: 'grpo', label: 'GRPO', settings: {} },
]

export const sftVsGrpo: Experiment = {
  name: 'sft-vs-grpo',
  question: 'What does reinforcement add to imitation?',
  about:
    'Three runs over the same rows, 32 a step. SFT imitates their targets, of which about 40 % answer without working; a second SFT sees only targets with working, as if somebody had chosen them; GRPO sees no target, only whether its own answers are right.',
  steps: 100,
  arms: () => arms,
  curves: [accuracyCurve, rewardCurve, lengthCurve, entropyCurve],
  conclude(results) {
    const [sft, worked, grpo] = ['sft', 'sft-worked', 'grpo'].map((name) => armOf(results, name))
    const answer = `${sentence(whoIsAhead(grpo!, sft!))} ${sentence(whoIsAhead(grpo!, worked!))}`
    return {
      answer,
      figures: [
        drawAccuracies(results, 'Held-out accuracy, all questions'),
        drawAccuracies(results, 'Held-out accuracy, calculations', ['arithmetic']),
      ],
    }
  },
}
