/** What every built-in reward must be: named, described, a function of its input, and quick on hostile text. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { InputError } from '../../src/core/errors.ts'
import { choice, decimal, defaultsOf, flag, parameterProblems, texts, whole } from '../../src/core/parameters.ts'
import type { RewardInput } from '../../src/rewards/define.ts'
import { defineReward, type Reward, rewards, type StepScores } from '../../src/rewards/index.ts'
import { rewardInput } from '../harness/reward_input.ts'

/** Every number in what a reward gave. */
function numbersOf(given: number | null | StepScores): number[] {
  if (given === null) return []
  if (typeof given === 'number') return [given]
  return [
    ...(given.score === undefined ? [] : [given.score]),
    ...given.steps.flatMap(({ end, reward }) => [end, reward]),
  ]
}

const size = fc.record({ width: fc.integer({ min: 1, max: 4000 }), height: fc.integer({ min: 1, max: 4000 }) })
/** Texts that look like what some reward reads. */
const pieces = fc.constantFrom(
  ...['<think>', '</think>', '<answer>', '</answer>', '\\boxed{', '{', '}', '[', ']', '(', ')', ',', ':', '"', "'"],
  ...['1', '0.5', '-3', '1e9', 'x1', 'A', 'yes', 'no', 'bbox_2d', 'label', 'click', '### Step 1:', '\n', ' ', 'null'],
)
const shaped = fc.array(pieces, { maxLength: 60 }).map((parts) => parts.join(''))
const text = fc.oneof(fc.string({ unit: 'binary', maxLength: 400 }), shaped)
const columnNames = ['harmful', 'schema', 'constraints', 'key_steps', 'options', 'gt_action', 'gt_bbox', 'boxes']
const input: fc.Arbitrary<RewardInput> = fc.record({
  completion: text,
  completionTokens: fc.nat(),
  finish: fc.constantFrom('eos', 'stop', 'length', 'aborted'),
  messages: fc.constant([]),
  images: fc.array(fc.record({ original: size, resized: size }), { maxLength: 2 }),
  answer: fc.option(text),
  columns: fc.dictionary(fc.oneof(fc.string(), fc.constantFrom(...columnNames)), fc.jsonValue()),
  id: fc.string(),
})

const hostile = [
  '(',
  '[',
  '{',
  '"',
  '<answer>',
  '</think>',
  '\\boxed{',
  '1,',
  'a ',
  '- ',
  '### Step 1:\n',
  '[1,2,3,4],',
]
const limitMs = 250

function milliseconds(work: () => unknown): number {
  const start = process.cpuUsage()
  work()
  const { user, system } = process.cpuUsage(start)
  return (user + system) / 1000
}

describe.each(Object.entries(rewards))('%s', (key, reward: Reward) => {
  test('is listed under its name and described, with its parameters', () => {
    expect(reward.name).toBe(key)
    expect(reward.description.length).toBeGreaterThan(10)
    for (const { about } of Object.values(reward.parameters)) expect(about).toMatch(/^.{10,}\.$/)
    expect(parameterProblems(reward.parameters, defaultsOf(reward.parameters))).toEqual([])
  })

  test('gives a finite number or null, the same each time, for any completion; refuses bad columns by name', async () => {
    await fc.assert(
      fc.asyncProperty(input, async (value) => {
        const scored = () => reward.score(value)
        let score: Awaited<ReturnType<typeof scored>>
        try {
          score = await scored()
        } catch (error) {
          expect(error).toBeInstanceOf(InputError)
          expect((error as InputError).where).toContain(value.id)
          return
        }
        expect(numbersOf(score).every(Number.isFinite)).toBe(true)
        expect(await scored()).toEqual(score)
      }),
    )
  })

  test('is quick on long hostile text', () => {
    for (const piece of hostile) {
      const long = piece.repeat(100_000 / piece.length)
      const value = rewardInput(long, { answer: long, completionTokens: 50_000 })
      const times = [0, 1, 2].map(() => milliseconds(() => reward.score(value)))
      expect(Math.min(...times), JSON.stringify(piece)).toBeLessThan(limitMs)
    }
  })
})

describe('defineReward', () => {
  test('gives what it was given, frozen', () => {
    const reward = defineReward({ name: 'mine', score: () => 1 })
    expect(reward).toMatchObject({ name: 'mine', description: '', parameters: {} })
    expect(reward.score(rewardInput(''))).toBe(1)
    expect(Object.isFrozen(reward)).toBe(true)
  })

  test('a reward sees the defaults of its parameters, or the values it is given', () => {
    const parameters = { scale: decimal(2, 'What the score is multiplied by.') }
    const reward = defineReward({ name: 'mine', parameters, score: (_, { scale }) => 3 * scale })
    expect(reward.score(rewardInput(''))).toBe(6)
    expect(reward.score(rewardInput(''), { scale: 5 })).toBe(15)
  })

  test.each([
    ['name', { name: 'two words', score: () => 1 }],
    ['name', { name: '', score: () => 1 }],
    ['score', { name: 'a' }],
    ['name', undefined],
  ])('refuses a bad %s', (what, reward) => {
    expect(() => defineReward(reward as never)).toThrow(what)
  })
})

describe('parameters', () => {
  const parameters = {
    scale: decimal(1, 'About scale.', 0, 2),
    count: whole(3, 'About count.', 1),
    strict: flag(false, 'About strict.'),
    style: choice(['a', 'b'], 'About style.'),
    words: texts(['x'], 'About words.'),
  }

  test('have defaults that fit', () => {
    expect(defaultsOf(parameters)).toEqual({ scale: 1, count: 3, strict: false, style: 'a', words: ['x'] })
    expect(parameterProblems(parameters, defaultsOf(parameters))).toEqual([])
  })

  test.each([
    [{ scale: 3 }, 'number from 0 to 2'],
    [{ scale: '1' }, 'number from 0 to 2'],
    [{ scale: Number.NaN }, 'number from 0 to 2'],
    [{ count: 1.5 }, 'whole number from 1'],
    [{ strict: 1 }, 'true or false'],
    [{ style: 'c' }, 'one of "a", "b"'],
    [{ words: 'x' }, 'list of text'],
    [{ scael: 1 }, 'a parameter of this reward'],
    [{ constructor: 1 }, 'a parameter of this reward'],
  ])('%j is refused: %s', (given, expected) => {
    expect(parameterProblems(parameters, given as never)).toMatchObject([{ expected }])
  })

  test('an unknown name brings the closest known one', () => {
    expect(parameterProblems(parameters, { scael: 1 })[0]!.remedy).toBe('Did you mean "scale"?')
  })
})
