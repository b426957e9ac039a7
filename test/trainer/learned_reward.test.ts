/** Learned rewards: against transformers, on hostile completions, and in training. */
import { cpSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type ConfigInput, configSchema } from '../../src/config/schema.ts'
import type { Message } from '../../src/core/types.ts'
import { readMetrics } from '../../src/metrics/jsonl.ts'
import { planRun } from '../../src/plan/plan.ts'
import type { LearnedRewardOptions } from '../../src/rollout/reward_spec.ts'
import { headOutputs } from '../../src/trainer/learned_head.ts'
import { kindOf, openLearnedReward } from '../../src/trainer/learned_reward.ts'
import { splitSteps } from '../../src/trainer/learned_text.ts'
import { train } from '../../src/trainer/train.ts'
import { fixture } from '../harness/fixtures.ts'
import { rewardInput } from '../harness/reward_input.ts'
import { temporaryFolder } from './runs.ts'
import { tinyVlInput, writeTinyVl } from './tiny_vl.ts'

const golden = JSON.parse(readFileSync(fixture('models/learned/expected.json'), 'utf8')) as {
  conversations: Message[][]
  step_token: string
  outcome: number[]
  verdict: number[]
  process: number[][]
  step_words: number[][]
}

const folder = temporaryFolder()
/** The weights of the text model with a head beside them, as sharded checkpoints are stored. */
function writeRewardModel(name: string, head: 'outcome' | 'process', architecture: string): string {
  const dir = join(folder.dir, name)
  cpSync(fixture('models/qwen2'), dir, { recursive: true })
  cpSync(fixture(`models/learned/${head}.safetensors`), join(dir, 'head.safetensors'))
  const keys = (file: string) => {
    const bytes = readFileSync(file)
    const header = JSON.parse(bytes.subarray(8, 8 + Number(bytes.readBigUInt64LE(0))).toString())
    return Object.keys(header).filter((key) => key !== '__metadata__')
  }
  const map = ['model.safetensors', 'head.safetensors'].flatMap((file) =>
    keys(join(dir, file)).map((key) => [key, file]),
  )
  writeFileSync(join(dir, 'model.safetensors.index.json'), JSON.stringify({ weight_map: Object.fromEntries(map) }))
  const config = JSON.parse(readFileSync(join(dir, 'config.json'), 'utf8'))
  // As published models have it: not tied, and no language head in the files.
  const untied = { ...config, architectures: [architecture], tie_word_embeddings: false }
  writeFileSync(join(dir, 'config.json'), JSON.stringify(untied))
  return dir
}

let outcome: string
let process: string
beforeAll(async () => {
  await writeTinyVl(folder.dir)
  outcome = writeRewardModel('outcome', 'outcome', 'Qwen2ForSequenceClassification')
  process = writeRewardModel('process', 'process', 'Qwen2ForProcessRewardModel')
})
afterAll(() => folder.remove())

const inputs = golden.conversations.map((messages) =>
  rewardInput(messages.at(-1)!.content as string, { messages: messages.slice(0, -1), answer: null }),
)

async function judge(options: Partial<LearnedRewardOptions> & { path: string }, given = inputs, tokensPerPass = 64) {
  const reward = await openLearnedReward({ name: 'learned', ...options }, { device: 'cpu', tokensPerPass }, 'rewards.0')
  try {
    return await reward.score(given)
  } finally {
    reward.dispose()
  }
}

const close = (found: readonly (number | null)[], expected: readonly number[]) => {
  expect(found).toHaveLength(expected.length)
  for (const [i, value] of expected.entries()) expect(found[i]).toBeCloseTo(value, 4)
}
const stepsOf = ({ steps }: Awaited<ReturnType<typeof judge>>) => steps.map((own) => own!.map(({ reward }) => reward))

describe('as transformers computes it', () => {
  test('a sequence classification head on the last token', async () =>
    close((await judge({ path: outcome })).values, golden.outcome))
  test('the same bits in one pack and in packs of their own', async () =>
    expect((await judge({ path: outcome }, inputs, 4096)).values).toEqual(
      (await judge({ path: outcome }, inputs, 1)).values,
    ))
  test('a process head on the token behind each step', async () => {
    const found = await judge({ path: process, stepToken: golden.step_token })
    for (const [i, own] of stepsOf(found).entries()) close(own, golden.process[i]!)
    close(
      found.values,
      golden.process.map((own) => Math.min(...own)),
    )
    expect(found.steps[1]!.map(({ end }) => end)).toEqual([30, 44])
  })
  test('two words behind each step', async () => {
    const path = fixture('models/qwen2')
    const found = await judge({ path, kind: 'step-verdict', stepToken: golden.step_token, over: 'product' })
    for (const [i, own] of stepsOf(found).entries()) close(own, golden.step_words[i]!)
    close(
      found.values,
      golden.step_words.map((own) => own.reduce((a, b) => a * b)),
    )
  })
  test('two words behind a question', async () => {
    const template = 'Question: {question}\nReply: {completion}\nIs it right? + or -'
    const ask = (output: 'auto' | 'logit' | 'log-probability') =>
      judge({ path: fixture('models/qwen2'), template, words: ['+', '-'], output })
    close((await ask('auto')).values, golden.verdict)
    close((await ask('log-probability')).values, golden.verdict.map(Math.log))
    close(
      (await ask('logit')).values,
      golden.verdict.map((p) => Math.log(p / (1 - p))),
    )
  })
})

test('an inner layer, two labels and a bias, by hand', () => {
  const inner = { weight: Float32Array.of(1, 0, 0, 1, -1, -1), bias: Float32Array.of(0, -1, 0) }
  const head = { inner, weight: Float32Array.of(2, 3, 5), bias: 0.5, labels: 2 as const }
  expect([...headOutputs(Float32Array.of(1, 3, -2, -1), 2, head)]).toEqual([2 + 6 + 0.5, 15 + 0.5])
})

test('steps end where they end in the text; blank parts are none', () => {
  expect(splitSteps('ab\n\n\n\n c\n\nd', '\n\n')).toEqual([
    { text: 'ab', end: 2 },
    { text: 'c', end: 8 },
    { text: 'd', end: 11 },
  ])
  expect(splitSteps(' \n\n', '\n\n')).toEqual([])
})

test('the kind that config.json speaks of', () => {
  const kind = (name: string) => kindOf('auto', { architectures: [name] })
  expect(['Qwen2ForProcessRewardModel', 'Qwen2ForSequenceClassification', 'Qwen2ForCausalLM'].map(kind)).toEqual([
    ...['steps', 'score', 'verdict'],
  ])
  expect([kindOf('auto', {}), kindOf('steps', {})]).toEqual(['verdict', 'steps'])
})

describe('bad input', () => {
  test('a completion that writes the step token is asked about its own steps only; an empty one scores 0', async () => {
    const cheat = rewardInput(`a${golden.step_token}b\n\nc`, { messages: [{ role: 'user', content: 'q' }] })
    const empty = rewardInput('', { messages: [{ role: 'user', content: 'q' }] })
    const { steps, values } = await judge({ path: process, stepToken: golden.step_token }, [cheat, empty])
    expect([steps[0]!.length, steps[1], values[1]]).toEqual([2, [], 0])
  })
  test('a conversation too long for it scores nothing and is counted; the others score', async () => {
    const reward = await openLearnedReward(
      { name: 'learned', path: outcome },
      { device: 'cpu', tokensPerPass: 64, maxPromptTokens: 150 },
      'rewards.0',
    )
    const { values, failures } = await reward.score([rewardInput('a '.repeat(200)), rewardInput('b')])
    reward.dispose()
    expect([values[0], Number.isFinite(values[1])]).toEqual([null, true])
    expect(failures).toMatchObject({ errors: 1 })
    expect(failures.lastMessage).toMatch(/a prompt of at most 150 tokens/)
  })
  test.each<[string, Partial<LearnedRewardOptions>, RegExp]>([
    [
      'words of several tokens',
      { words: ['Wonderful', 'No'] },
      /rewards.0.words: expected a text that is one token .* "Wonderful"/,
    ],
    ['a step token of several', { kind: 'step-verdict', stepToken: '<step>' }, /rewards.0.stepToken: expected/],
    ['a head that is not there', { kind: 'score' }, /expected a reward head: score.weight/],
  ])('%s', async (_name, options, message) => {
    await expect(judge({ path: fixture('models/qwen2'), ...options })).rejects.toThrow(message)
  })
  test('a folder that is not there', () =>
    expect(judge({ path: 'nowhere' })).rejects.toThrow(/nowhere: expected a model folder/))
})

describe('in a run', () => {
  const input = (name: string, rewards: ConfigInput['rewards'], more: Partial<ConfigInput> = {}) =>
    configSchema.parse(
      tinyVlInput(folder.dir, join(folder.dir, name), {
        ...{ rewards, train: { steps: 2 }, eval: { atEnd: false } },
        ...more,
      }),
    )
  const records = (name: string) => readMetrics(join(folder.dir, name)).filter(({ loss }) => loss !== undefined)

  test('outcome and process models train, beside a judge that sees the images', async () => {
    const config = input(
      'run',
      [
        { name: 'learned', path: outcome, as: 'outcome', weight: 0.1 },
        { name: 'learned', path: process, as: 'process', stepToken: golden.step_token, separator: ' ' },
        { name: 'learned', path: join(folder.dir, 'model'), as: 'judge', words: ['a', 'b'] },
      ],
      { algorithm: { advantage: { process: { share: 0.5 } } } },
    )
    await train(config)
    for (const step of records('run')) {
      for (const name of ['outcome', 'process', 'judge']) {
        expect(Number.isFinite(step[`rewards/${name}/mean`])).toBe(true)
        expect(step[`rewards/${name}/failures`]).toBeUndefined()
      }
      expect([step['process/judged'], step.grad_norm! > 0]).toEqual([1, true])
    }
  })

  test('the plan counts its weights and its passes', async () => {
    const without = await planRun(input('plan', [{ name: 'format' }]))
    const plan = await planRun(input('plan', [{ name: 'learned', path: outcome }]))
    const phase = Object.fromEntries(plan.phases)
    const values = 1792 * 80 + 3 * (80 * 80 * 2 + 2 * 16 * 80 + 80 + 32 + 3 * 176 * 80 + 160) + 80
    expect(phase.reward!.rewards).toBe(4 * values)
    expect(phase.reward!.activations).toBeGreaterThan(0)
    expect(phase.rollout!.total).toBe(Object.fromEntries(without.phases).rollout!.total + 4 * values)
  })
})
