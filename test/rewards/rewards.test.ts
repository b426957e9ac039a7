/** What every built-in reward must be. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { RewardInput } from '../../src/rewards/define.ts'
import { defineReward, rewards } from '../../src/rewards/index.ts'

const input: fc.Arbitrary<RewardInput> = fc.record({
  completion: fc.string({ unit: 'binary', maxLength: 400 }),
  completionTokens: fc.nat(),
  finish: fc.constantFrom('eos', 'stop', 'length', 'aborted'),
  messages: fc.constant([]),
  answer: fc.option(fc.string({ unit: 'binary' })),
  columns: fc.dictionary(fc.string(), fc.jsonValue()),
  id: fc.string(),
})

describe.each(Object.entries(rewards))('%s', (key, reward) => {
  test('is listed under its name and described', () => {
    expect(reward.name).toBe(key)
    expect(reward.description.length).toBeGreaterThan(10)
  })

  test('gives a finite number or null, the same each time, for any input', async () => {
    await fc.assert(
      fc.asyncProperty(input, async (value) => {
        const score = await reward.score(value)
        expect(score === null || Number.isFinite(score)).toBe(true)
        expect(await reward.score(value)).toBe(score)
      }),
    )
  })
})

describe('defineReward', () => {
  test('gives what it was given, frozen', () => {
    const score = () => 1
    const reward = defineReward({ name: 'mine', score })
    expect(reward).toEqual({ name: 'mine', description: '', score })
    expect(Object.isFrozen(reward)).toBe(true)
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
