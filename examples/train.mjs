// A training loop in a program: rewards of your own, steps as they come, evaluation before and after.
//   node examples/train.mjs MODEL ROWS.jsonl [RUN] [STEPS]
import { defineReward, GrpoTrainer, loadRows } from 'rft'

const [model, file, dir = 'runs/example', steps = '20'] = process.argv.slice(2)

/** Half a point for an answer that is found at all, and for not rambling. */
const answered = defineReward({
  name: 'answered',
  description: '0.5 for <answer> tags, 0.5 for at most 200 tokens',
  score: ({ completion, completionTokens }) =>
    (completion.includes('<answer>') ? 0.5 : 0) + (completionTokens <= 200 ? 0.5 : 0),
})

const rows = await loadRows([file], { template: '{problem} Answer inside <answer> </answer>.' })
const trainer = await GrpoTrainer.open({
  ...{ model, dir, steps: Number(steps) },
  train: rows.slice(2),
  eval: rows.slice(0, 2),
  rewards: [
    { name: 'accuracy' },
    { reward: answered, weight: 0.2 },
    function upperCase({ completion }) {
      return completion === completion.toUpperCase() ? 0.1 : 0
    },
  ],
  config: {
    optimizer: { lr: 1e-5 },
    rollout: { promptsPerStep: 2, groupSize: 4, maxNewTokens: 16 },
    eval: { atEnd: false },
  },
})
try {
  const before = await trainer.evaluate()
  for await (const { step, reward, grad_norm: norm } of trainer.steps())
    console.log(`step ${step}  reward ${reward.toFixed(3)}  gradient ${norm.toFixed(3)}`)
  const after = await trainer.evaluate()
  console.log(`accuracy ${before.accuracy} -> ${after.accuracy}`)
} finally {
  trainer.dispose() // or `using trainer = ...` where the language has it
}
