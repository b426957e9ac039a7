/** `consistency` with a frozen model whose answer is known, and in a run. */
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { configSchema } from '../../src/config/schema.ts'
import { consistencyQuestion } from '../../src/methods/consistency.ts'
import { readMetrics } from '../../src/metrics/jsonl.ts'
import { planRun } from '../../src/plan/plan.ts'
import { collect } from '../../src/rollout/collect.ts'
import { openConsistencyReward } from '../../src/trainer/consistency_reward.ts'
import { openModel } from '../../src/trainer/open_model.ts'
import { train } from '../../src/trainer/train.ts'
import { fixture } from '../harness/fixtures.ts'
import { rewardInput } from '../harness/reward_input.ts'
import { temporaryFolder } from './runs.ts'
import { tinyVlInput, writeTinyVl } from './tiny_vl.ts'

const folder = temporaryFolder()
beforeAll(() => writeTinyVl(folder.dir))
afterAll(() => folder.remove())

const path = fixture('models/qwen2')
const question = 'How many?'
const reasoning = 'I count two.'

/** What the frozen model says to the reasoning, greedily. */
async function frozenAnswer(): Promise<string> {
  using opened = await openModel(path, { device: 'cpu' })
  const content = consistencyQuestion(question, reasoning)
  const row = { id: 'r', messages: [{ role: 'user' as const, content }], images: [], answer: null, target: null }
  const greedy = { temperature: 0, topK: 0, topP: 1, minP: 0, maxNewTokens: 6, stop: [], seed: 0 }
  const sampling = { ...opened.generateOptions(greedy), merge: 1, decode: opened.decode, samples: 1, step: 0 }
  const [sampled] = await collect(opened.model, [await opened.toPrompt({ ...row, columns: {} })], sampling)
  return sampled!.completions[0]!.text.trim()
}

test('1 for a right answer that the frozen model reaches from the reasoning, else 0', async () => {
  const answer = await frozenAnswer()
  expect(answer).not.toBe('')
  const said = (text: string, truth: string) =>
    rewardInput(text, { messages: [{ role: 'user', content: question }], answer: truth })
  const thought = (a: string) => `<think>${reasoning}</think><answer>${a}</answer>`
  const reward = await openConsistencyReward(
    { name: 'consistency', path, judge: 'exact', maxNewTokens: 6 },
    { device: 'cpu' },
  )
  const { values } = await reward.score([
    ...[said(thought(answer), answer), said(thought('99'), '99'), said(thought('98'), answer)],
    said(`<answer>${answer}</answer>`, answer),
  ])
  reward.dispose()
  expect(values).toEqual([1, 0, 0, 0])
})

test('trains on the model that the run begins with, and the plan counts it', async () => {
  const input = tinyVlInput(folder.dir, join(folder.dir, 'run'), {
    rewards: [{ name: 'consistency', path: null, weight: 0.2 }, { name: 'format' }],
    ...{ train: { steps: 1 }, eval: { atEnd: false } },
  })
  const config = configSchema.parse(input)
  await train(config)
  const [step] = readMetrics(join(folder.dir, 'run')).filter(({ loss }) => loss !== undefined)
  expect(step!['rewards/consistency/mean']).toBe(0)
  const { phases } = await planRun(config)
  const reward = Object.fromEntries(phases).reward!
  expect([reward.rewards, reward.kvCache > 0]).toEqual([reward.weights, true])
})
