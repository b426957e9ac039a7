import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type AdvantageScale, groupAdvantage } from '../../src/algorithms/index.ts'

interface Case {
  name: string
  trainer: string
  options: { num_generations: number; scale_rewards: AdvantageScale; multi_objective_aggregation: string }
  expected: { rewards: (number | null)[]; advantages: number[] }
}
const golden = JSON.parse(readFileSync(new URL('../fixtures/rl/advantages.json', import.meta.url), 'utf8')) as {
  cases: Case[]
}
const cases = golden.cases.filter(
  (c) => c.trainer === 'grpo' && c.options.multi_objective_aggregation === 'sum_then_normalize',
)
const ids = (count: number, group: number) => Array.from({ length: count }, (_, i) => Math.floor(i / group))

describe('against TRL', () => {
  test('every scale is covered', () => {
    expect(new Set(cases.map((c) => c.options.scale_rewards))).toEqual(new Set(['group', 'batch', 'none']))
  })
  test.each(cases)('$name', ({ options, expected }) => {
    const rewards = expected.rewards.map((r) => r ?? Number.NaN)
    const got = groupAdvantage(rewards, ids(rewards.length, options.num_generations), {
      scale: options.scale_rewards,
      eps: 1e-4,
    })
    for (const [i, want] of expected.advantages.entries()) expect(Math.abs(got[i]! - want)).toBeLessThan(1e-12)
  })
})

describe('invariants', () => {
  const rewards = fc.array(fc.integer({ min: -8, max: 8 }), { minLength: 2, maxLength: 12 })
  const group = { scale: 'group', eps: 1e-4 } as const

  test('permuting a group permutes its advantages', () => {
    fc.assert(
      fc.property(rewards, (r) => {
        const ids = r.map(() => 0)
        const forward = groupAdvantage(r, ids, group)
        const reversed = groupAdvantage([...r].reverse(), ids, group).reverse()
        forward.forEach((a, i) => {
          expect(reversed[i]).toBeCloseTo(a, 10)
        })
      }),
    )
  })

  test('a constant added to a group changes nothing', () => {
    fc.assert(
      fc.property(rewards, fc.integer({ min: -100, max: 100 }), (r, shift) => {
        const ids = r.map(() => 0)
        const shifted = groupAdvantage(
          r.map((x) => x + shift),
          ids,
          group,
        )
        groupAdvantage(r, ids, group).forEach((a, i) => {
          expect(shifted[i]).toBeCloseTo(a, 9)
        })
      }),
    )
  })

  test('advantages of a group sum to zero', () => {
    fc.assert(
      fc.property(rewards, fc.constantFrom<AdvantageScale>('group', 'batch', 'none'), (r, scale) => {
        const sum = groupAdvantage(
          r,
          r.map(() => 3),
          { scale, eps: 1e-4 },
        ).reduce((a, b) => a + b, 0)
        expect(Math.abs(sum)).toBeLessThan(1e-9)
      }),
    )
  })

  test('equal rewards and a group of one give exactly zero', () => {
    expect([...groupAdvantage([0.1, 0.1, 0.1, 0.7], [0, 0, 0, 1], group)]).toEqual([0, 0, 0, 0])
    expect([...groupAdvantage([0.3], [0], { scale: 'none', eps: 1e-4 })]).toEqual([0])
    expect(groupAdvantage([], [], group)).toHaveLength(0)
  })

  test('a row without a reward is left out of its group', () => {
    const got = groupAdvantage([1, Number.NaN, 0, Number.NaN], [0, 0, 0, 1], { scale: 'none', eps: 1e-4 })
    expect([...got]).toEqual([0.5, 0, -0.5, 0])
  })
})
