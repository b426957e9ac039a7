/** Advantages: against TRL and verl, twin against kernel, and the invariants that each rule has. */
import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import * as twins from '../../src/algorithms/index.ts'
import * as kernels from '../../src/native/kernels.ts'
import type { GroupAdvantageRule } from '../../src/native/types.ts'

const golden = (name: string) =>
  JSON.parse(readFileSync(new URL(`../fixtures/rl/${name}.json`, import.meta.url), 'utf8'))

interface Case {
  name: string
  trainer: string
  options: {
    num_generations: number
    scale_rewards: twins.AdvantageScale
    multi_objective_aggregation: string
    reward_weights: number[]
    normalize_advantages?: boolean
  }
  rewards_per_func: (number | null)[][]
  expected: { rewards: (number | null)[]; advantages: number[] }
}
const cases = golden('advantages').cases as Case[]
const defaults = { scale: 'group', eps: 1e-4, ddof: 1 } as const

describe('against TRL', () => {
  test('12 cases', () => expect(cases).toHaveLength(12))
  test.each(cases)('$name', ({ trainer, options, rewards_per_func, expected }) => {
    const groupIds = Array.from(expected.rewards, (_, i) => Math.floor(i / options.num_generations))
    const rewards = expected.rewards.map((r) => r ?? Number.NaN)
    const rule = { ...defaults, scale: options.scale_rewards ?? 'group' }
    const parts = options.reward_weights.map((_, k) => rewards_per_func.map((row) => row[k] ?? Number.NaN))
    const [f, ids] = [Float32Array.from(rewards), Int32Array.from(groupIds)]
    const compute = (): [ArrayLike<number>, ArrayLike<number>] => {
      if (options.multi_objective_aggregation === 'normalize_then_sum')
        return [
          twins.gdpo(parts, options.reward_weights, groupIds, rule),
          kernels.gdpo(Float32Array.from(parts.flat()), Float32Array.from(options.reward_weights), ids, rule),
        ]
      const kind = trainer === 'rloo' ? 'rloo' : 'group'
      const twin = twins.groupAdvantage({ rewards, groupIds }, kind, rule)
      const native = kernels.groupAdvantage(f, ids, { ...rule, kind } as GroupAdvantageRule)
      if (!options.normalize_advantages) return [twin, native]
      return [twins.standardize([...twin], rule), twins.standardize([...native], rule)]
    }
    const [twin, native] = compute()
    for (const [i, want] of expected.advantages.entries()) {
      expect(Math.abs(twin[i]! - want)).toBeLessThan(1e-12)
      expect(Math.abs(native[i]! - want)).toBeLessThan(1e-6 * Math.max(1, Math.abs(want)))
    }
  })
})

const rules: GroupAdvantageRule[] = [
  { kind: 'group', scale: 'group', eps: 1e-4 },
  { kind: 'group', scale: 'batch', eps: 1e-6, ddof: 0 },
  { kind: 'group', scale: 'none', eps: 0 },
  { kind: 'rloo' },
  { kind: 'opo', lengths: Int32Array.of() },
  { kind: 'gpg' },
  { kind: 'pass-at-k', eps: 1e-6 },
  { kind: 'remax', baselines: Float32Array.of() },
]
const reward = fc.oneof(
  { arbitrary: fc.integer({ min: -8, max: 8 }).map((x) => x / 4), weight: 6 },
  { arbitrary: fc.constant(Number.NaN), weight: 1 },
)
const rows = fc.array(fc.tuple(reward, fc.integer({ min: 0, max: 3 }), fc.integer({ min: 1, max: 50 }), reward), {
  maxLength: 24,
})

type Rows = [number, number, number, number][]
const column = (r: Rows, k: number) => r.map((row) => row[k]!)
const both = (rule: GroupAdvantageRule, r: Rows) => {
  const columns = { rewards: column(r, 0), groupIds: column(r, 1), lengths: column(r, 2), baselines: column(r, 3) }
  const options = { ...defaults, ddof: 1 as const, ...rule }
  const native = {
    ...rule,
    ...('lengths' in rule ? { lengths: Int32Array.from(columns.lengths) } : {}),
    ...('baselines' in rule ? { baselines: Float32Array.from(columns.baselines) } : {}),
  } as GroupAdvantageRule
  const got = kernels.groupAdvantage(Float32Array.from(columns.rewards), Int32Array.from(columns.groupIds), native)
  return { twin: twins.groupAdvantage(columns, rule.kind, options), got }
}

test('every rule is here', () => {
  expect(new Set(rules.map((r) => r.kind))).toEqual(new Set(Object.keys(twins.groupRules)))
})

describe.each(rules.map((rule) => ({ name: `${rule.kind} ${'scale' in rule ? rule.scale : ''}`, rule })))(
  '$name',
  ({ rule }) => {
    test('the kernel computes what the twin says, on ragged and interleaved groups', () => {
      fc.assert(
        fc.property(rows, (r) => {
          const { twin, got } = both(rule, r)
          for (const [i, want] of twin.entries())
            expect(Math.abs(got[i]! - want)).toBeLessThan(1e-6 * Math.max(1, Math.abs(want)))
        }),
      )
    })

    test('permuting rows permutes advantages', () => {
      fc.assert(
        fc.property(rows, (r) => {
          if (rule.kind === 'pass-at-k' && new Set(column(r, 0)).size < r.length) return // ties go to the first
          const backwards = both(rule, [...r].reverse()).got.reverse()
          for (const [i, a] of both(rule, r).got.entries()) expect(backwards[i]).toBeCloseTo(a, 4)
        }),
      )
    })

    test('a constant added to every reward changes nothing', () => {
      if (rule.kind === 'gpg') return // its factor counts rewards that are not 0
      fc.assert(
        fc.property(rows, fc.integer({ min: -20, max: 20 }), (r, shift) => {
          const several = r.filter((row) => r.filter((o) => o[1] === row[1] && !Number.isNaN(o[0])).length > 1)
          const moved = several.map(([a, g, n, b]) => [a + shift, g, n, b + shift] as Rows[0])
          const still = both(rule, several).got
          for (const [i, a] of both(rule, moved).got.entries()) expect(still[i]).toBeCloseTo(a, 4)
        }),
      )
    })

    test('equal rewards, and a row without a reward, have advantage exactly 0', () => {
      const flat: Rows = [0.1, 0.1, 0.1, Number.NaN].map((x, i) => [x, 4, i + 1, 0.1])
      for (const { twin, got } of [both(rule, flat)]) {
        expect([...got].every((a) => a === 0 || Math.abs(a) < 1e-7)).toBe(true)
        expect([...twin].every((a) => Math.abs(a) < 1e-12)).toBe(true)
      }
    })

    test('a group of one', () => {
      const { got } = both(rule, [[0.75, 2, 3, 0.25]])
      const want = { rloo: 0.75, remax: 0.5 }[rule.kind as string] ?? 0
      expect(got[0]).toBe(want)
    })

    test('nothing at all', () => expect(both(rule, []).got).toHaveLength(0))
  },
)

describe('what distinguishes the rules', () => {
  const r: Rows = [
    [1, 0, 10, 0.5],
    [0, 0, 30, 0.5],
    [0.5, 0, 20, 0.5],
  ]
  test('by hand', () => {
    const of = (rule: GroupAdvantageRule) => [...both(rule, r).twin].map((a) => Math.round(a * 1e4) / 1e4)
    expect(of({ kind: 'rloo' })).toEqual([0.75, -0.75, 0])
    expect(of({ kind: 'opo', lengths: Int32Array.of() })).toEqual([0.6667, -0.3333, 0.1667])
    expect(of({ kind: 'gpg' })).toEqual([0.75, -0.75, 0])
    expect(of({ kind: 'pass-at-k', eps: 0 })).toEqual([1, 0, 0])
    expect(of({ kind: 'remax', baselines: Float32Array.of() })).toEqual([0.5, -0.5, 0])
  })

  test('GDPO keeps a small reward that a large one would drown', () => {
    const large = [0, 100, 0, 100]
    const small = [1, 1, 0, 0]
    const apart = twins.gdpo([large, small], [1, 1], [0, 0, 0, 0], defaults)
    // Row 0 has the small reward, row 3 the large one: they weigh the same.
    expect([apart[0], apart[3]]).toEqual([expect.closeTo(0, 2), expect.closeTo(0, 2)])
    expect(apart[1]).toBeGreaterThan(1)
  })
})

describe('whitening', () => {
  test('twin and kernel agree; mean 0 and deviation 1 over the counted tokens', () => {
    const next = fc.float({ min: -3, max: 3, noNaN: true })
    fc.assert(
      fc.property(fc.array(fc.tuple(next, fc.integer({ min: 0, max: 4 })), { maxLength: 30 }), (r) => {
        const [values, counts] = [r.map(([v]) => v), r.map(([, c]) => c)]
        for (const shiftMean of [true, false]) {
          const got = kernels.whiten(Float32Array.from(values), Int32Array.from(counts), shiftMean)
          for (const [i, want] of twins.whiten(values, counts, shiftMean).entries())
            expect(Math.abs(got[i]! - want)).toBeLessThan(1e-6 * Math.max(1, Math.abs(want)))
        }
      }),
    )
    const tokens = [1, 1, 4, 2, 2, 2]
    const spread = twins.whiten([1, 4, 2], [2, 1, 3])
    const each = twins.whiten(tokens, null)
    expect(spread[0]).toBeCloseTo(each[0]!, 12)
    expect(spread[2]).toBeCloseTo(each[5]!, 12)
  })
})

describe('generalised advantage estimation', () => {
  interface GaeCase {
    gamma: number
    lambda: number
    token_level_rewards: number[][]
    values: number[][]
    mask: number[][]
    expected: { advantages_whitened: number[][]; returns: number[][] }
  }
  const gaeCases = golden('gae').cases as GaeCase[]

  test.each(gaeCases)('verl, gamma $gamma lambda $lambda', (c) => {
    const width = c.values[0]!.length
    const columns = {
      ...{ rewards: c.token_level_rewards.flat(), values: c.values.flat(), mask: c.mask.flat() },
      sequences: c.values.map((_, b) => b * width).concat(width * c.values.length),
    }
    const twin = twins.gae(columns, c)
    const native = kernels.gae(
      {
        rewards: Float32Array.from(columns.rewards),
        values: Float32Array.from(columns.values),
        mask: Uint8Array.from(columns.mask),
        sequences: Int32Array.from(columns.sequences),
      },
      c,
    )
    const counts = Int32Array.from(columns.mask)
    const white = [twins.whiten(twin.advantages, counts), kernels.whiten(native.advantages, counts)] as const
    c.expected.advantages_whitened.flat().forEach((want, i) => {
      if (!columns.mask[i]) return
      expect(white[0][i]).toBeCloseTo(want, 8) // verl adds 1e-8 to the count of tokens
      expect(Math.abs(white[1][i]! - want)).toBeLessThan(1e-6 * Math.max(1, Math.abs(want)))
      expect(twin.returns[i]).toBeCloseTo(c.expected.returns.flat()[i]!, 12)
      expect(Math.abs(native.returns[i]! - c.expected.returns.flat()[i]!)).toBeLessThan(1e-6)
    })
  })

  test('observation tokens are stepped over', () => {
    const options = { gamma: 0.9, lambda: 0.8 }
    const dense = twins.gae({ rewards: [0, 0, 1], values: [0.1, 0.2, 0.3], mask: null, sequences: [0, 3] }, options)
    const holes = {
      rewards: Float32Array.of(0, 9, 0, 9, 9, 1),
      values: Float32Array.of(0.1, 7, 0.2, 7, 7, 0.3),
      mask: Uint8Array.of(1, 0, 1, 0, 0, 1),
      sequences: Int32Array.of(0, 6),
    }
    for (const got of [twins.gae(holes, options), kernels.gae(holes, options)]) {
      expect([0, 2, 5].map((i) => got.advantages[i])).toEqual(
        dense.advantages.length ? [...dense.advantages].map((a) => expect.closeTo(a, 6)) : [],
      )
      expect([1, 3, 4].map((i) => got.returns[i])).toEqual([0, 0, 0])
    }
  })

  test('without values it is the discounted return', () => {
    const input = { rewards: Float32Array.of(0, 0, 1), values: null, mask: null, sequences: Int32Array.of(0, 3) }
    expect([...kernels.gae(input, { gamma: 0.5, lambda: 1 }).advantages]).toEqual([0.25, 0.5, 1])
  })
})
