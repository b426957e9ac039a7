/** Rewards of steps on tokens: the formulas on numbers worked out by hand, and runs that use them. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parseConfig } from '../../src/config/load.ts'
import { type ConfigInput, configSchema } from '../../src/config/schema.ts'
import type { Completion, Group, Prompt } from '../../src/core/types.ts'
import { readMetrics } from '../../src/metrics/jsonl.ts'
import { type AdvantageInput, computeAdvantages } from '../../src/trainer/advantages.ts'
import { outcomesOf, placeSteps, processAdvantages, processMetrics } from '../../src/trainer/process_rewards.ts'
import { train } from '../../src/trainer/train.ts'
import { temporaryFolder } from './runs.ts'
import { tinyVlInput, writeTinyVl } from './tiny_vl.ts'

/** Token n is n letters long. */
const decode = (tokens: Int32Array) => [...tokens].map((n) => 'x'.repeat(n)).join('')

const completion = (...tokens: number[]): Completion => {
  const column = new Float32Array(tokens.length)
  const ids = Int32Array.from(tokens)
  return { tokens: ids, logp: column, entropy: column, text: decode(ids), finish: 'eos' }
}

const prompt = { tokens: Int32Array.of(1) } as Prompt
const step = (end: number, reward: number) => ({ end, reward })

/** Tokens end behind letters 1, 2, 4, 6 and behind 3, 4. */
const group: Group = {
  ...{ prompt, completions: [completion(1, 1, 2, 2), completion(3, 1)], rewardParts: {} },
  rewards: [1.5, 0.25],
  process: [
    { steps: [step(2, 1), step(6, 0)], score: 0.5 },
    { steps: [step(4, 0.5)], score: 0.25 },
  ],
}

const advantage = (input: NonNullable<ConfigInput['algorithm']>) =>
  configSchema.parse({
    run: { dir: 'r' },
    model: { path: 'm' },
    data: { train: ['a'] },
    algorithm: input,
    train: { steps: 1 },
  }).algorithm

const inputOf = (groups: Group[]): AdvantageInput => ({
  ...{ groups: groups.map((g) => ({ ...g, rewards: outcomesOf(g) })), lengths: [4, 2], rewardWeights: {} },
  ...{ klPenalty: null, values: null, baselines: null, steps: placeSteps(groups, decode) },
})

const rounded = (columns: readonly Float32Array[]) => columns.map((c) => [...c].map((x) => Math.round(x * 1e4) / 1e4))

describe('placement', () => {
  const tokenOf = (end: number) =>
    placeSteps([{ ...group, process: [{ steps: [step(end, 1)], score: 0 }, null] }], decode)[0]![0]!.token
  test('a step ends at the first token that reaches its end; behind the text: the last', () =>
    expect([0, 1, 2, 3, 4, 5, 6, 99].map(tokenOf)).toEqual([0, 0, 1, 2, 2, 3, 3, 3]))
  test('a completion without a reward has no steps', () =>
    expect(placeSteps([{ ...group, rewards: [null, 1] }], decode)).toEqual([[], [{ token: 1, reward: 0.5 }]]))
  test('outcomes are rewards without the scores of steps', () => expect(outcomesOf(group)).toEqual([1, 0]))
  test('counts', () =>
    expect(processMetrics([group, { ...group, process: undefined }])).toEqual({
      ...{ 'process/judged': 0.5, 'process/steps': 1.5 },
    }))
})

describe('process supervision (DeepSeekMath 4.1.3)', () => {
  const ids = Int32Array.of(0, 0)
  const steps = placeSteps([group], decode)
  test('rewards of 1, 0 and 0.5 are 1, -1 and 0 of the group; a token has those of the steps that end from it on', () => {
    const columns = processAdvantages(steps, [4, 2], ids, { scale: 'group', eps: 1e-9, ddof: 1, gamma: 1 })
    expect(rounded(columns)).toEqual([
      [0, 0, -1, -1],
      [0, 0],
    ])
  })
  test('discounted per token', () => {
    const columns = processAdvantages(steps, [4, 2], ids, { scale: 'none', eps: 1e-9, ddof: 1, gamma: 0.5 })
    expect(rounded(columns)[0]).toEqual([0.25 - 0.0625, 0.5 - 0.125, -0.25, -0.5])
  })
  test('groups do not mix, and steps that all earned the same teach nothing', () => {
    const alike = placeSteps([{ ...group, process: [group.process![1]!, group.process![1]!] }], decode)
    const both = processAdvantages([...steps, ...alike], [4, 2, 4, 2], Int32Array.of(0, 0, 1, 1), {
      ...{ scale: 'group', eps: 1e-9, ddof: 1, gamma: 1 },
    } as const)
    expect(rounded(both).slice(2)).toEqual([
      [0, 0, 0, 0],
      [0, 0],
    ])
    expect(rounded(both)[0]).toEqual([0, 0, -1, -1])
  })
})

describe('mixture with the outcome', () => {
  const columnsOf = (input: NonNullable<ConfigInput['algorithm']>) =>
    rounded(computeAdvantages(inputOf([group]), advantage(input)).columns)
  test('(1 - share) outcome + share process, token by token', () => {
    const mix = (share: number) => columnsOf({ advantage: { scale: 'none', process: { share } } })
    expect(mix(0)).toEqual([
      [0.5, 0.5, 0.5, 0.5],
      [-0.5, -0.5],
    ])
    expect(mix(1)).toEqual([
      [0, 0, -0.5, -0.5],
      [0, 0],
    ])
    expect(mix(0.25)).toEqual([
      [0.375, 0.375, 0.25, 0.25],
      [-0.375, -0.375],
    ])
  })
  test('a critic sees the rewards of steps where they end, the outcome at the last token', () => {
    const algorithm = advantage({
      ...{ trainer: 'ppo', advantage: { process: { share: 0.25 } }, critic: { whitenAdvantages: false } },
    })
    const values = [new Float32Array(4), new Float32Array(2)]
    const { returns } = computeAdvantages({ ...inputOf([group]), values }, algorithm)
    expect(rounded(returns!)).toEqual([
      [1, 1, 0.75, 0.75],
      [0.125, 0.125],
    ])
  })
})

describe('what process supervision does not go with', () => {
  const problems = (algorithm: string) => {
    const text = `run: { dir: r }\nmodel: { path: m }\ndata: { train: [a] }\ntrain: { steps: 1 }\nalgorithm: ${algorithm}`
    try {
      parseConfig(text, 'c.yaml')
      return ''
    } catch (error) {
      return String((error as Error).message)
    }
  }
  test.each([
    ['{ advantage: { kind: gdpo, process: {} } }', /process: expected null with gdpo/],
    ['{ advantage: { kind: remax, process: {} } }', /process: expected null with remax/],
    ['{ advantage: { standardize: true, process: {} } }', /standardize: expected false with process supervision/],
    ['{ advantage: { process: {} }, loss: { kind: gspo } }', /one ratio per completion, process supervision has one/],
  ])('%s', (algorithm, message) => expect(problems(algorithm)).toMatch(message))
  test('gspo-token, returns and a critic take it', () => {
    expect(problems('{ advantage: { process: {} }, loss: { kind: gspo-token } }')).toBe('')
    expect(problems('{ advantage: { kind: reinforce++, process: {} } }')).toBe('')
    expect(problems('{ trainer: ppo, advantage: { process: {} } }')).toBe('')
  })
})

describe('in training', () => {
  const folder = temporaryFolder()
  beforeAll(async () => {
    await writeTinyVl(folder.dir)
    // A step is three letters; it earned 1 when it has a vowel.
    writeFileSync(
      join(folder.dir, 'vowels.mjs'),
      `export default { name: 'vowels', score({ completion }) {
         const steps = []
         for (let end = 3; end <= completion.length; end += 3)
           steps.push({ end, reward: /[aeiou]/.test(completion.slice(end - 3, end)) ? 1 : 0 })
         return { steps }
       } }`,
    )
  })
  afterAll(() => folder.remove())

  const run = async (name: string, algorithm: ConfigInput['algorithm'], rewards?: ConfigInput['rewards']) => {
    const dir = join(folder.dir, name)
    const input = tinyVlInput(folder.dir, dir, {
      ...{ algorithm, train: { steps: 2 }, eval: { atEnd: false } },
      rewards: rewards ?? [
        { file: join(folder.dir, 'vowels.mjs') },
        { name: 'format', parameters: { style: 'no-think' } },
      ],
    })
    await train(configSchema.parse(input))
    return readMetrics(dir).filter(({ loss }) => loss !== undefined)
  }

  test('steps that a file judges move the policy where outcomes are all alike', async () => {
    const [first] = await run('steps', { advantage: { process: { share: 1 } } })
    expect([first!['process/judged'], first!['process/steps']! > 1]).toEqual([1, true])
    expect(first!['rewards/format/std']).toBe(0)
    expect(first!.grad_norm).toBeGreaterThan(0)
    const [outcome] = await run('outcome', { advantage: { process: { share: 0 } } })
    expect(outcome!.grad_norm).toBe(0)
  })
  test('without it the score of the steps counts as the score of the whole', async () => {
    const [first] = await run('scores', {})
    expect([first!['process/judged'], first!.grad_norm! > 0]).toEqual([undefined, true])
  })
  test('a critic, several passes and mini-batches go along', async () => {
    const ppo = await run('ppo', {
      trainer: 'ppo',
      advantage: { process: {} },
      kl: { coef: 0.01, place: 'reward', estimator: 'k1' },
    })
    const passes = await run('passes', { advantage: { process: {} }, updatesPerRollout: 2, miniBatches: 3 })
    for (const { loss, grad_norm } of [...ppo, ...passes])
      expect([Number.isFinite(loss), grad_norm! > 0]).toEqual([true, true])
  })
  test('a run without a reward that judges steps is refused', async () =>
    expect(run('none', { advantage: { process: {} } }, [{ name: 'format' }])).rejects.toThrow(
      /rewards: expected one that judges steps: key_steps, learned, a file or a service but received "format"/,
    ))
})
