import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { clipLoss, groupAdvantage } from '../../src/algorithms/index.ts'
import * as kernels from '../../src/native/kernels.ts'

const near = (got: number, want: number) =>
  Math.abs(got - want) <= 1e-6 * Math.max(1, Math.abs(want)) || (Number.isNaN(got) && Number.isNaN(want))
const single = (range: { min: number; max: number }) => fc.float({ ...range, noNaN: true })
const logp = fc.oneof(single({ min: -5, max: 0 }), single({ min: -500, max: 0 }))

describe('the native kernels compute what their readable twins say', () => {
  test('policy loss, with and without old and reference log-probs', () => {
    const row = fc.tuple(logp, logp, logp, single({ min: -3, max: 3 }), single({ min: 0, max: 1 }))
    fc.assert(
      fc.property(fc.array(row, { minLength: 1, maxLength: 40 }), fc.boolean(), fc.boolean(), (rows, old, ref) => {
        const column = (k: number) => Float32Array.from(rows, (r) => r[k]!)
        const input = {
          ...{ advantages: column(3), weights: column(4), clipLow: 0.2, clipHigh: 0.28, klCoef: 0.04 },
          oldLogp: old ? column(1) : null,
          refLogp: ref ? column(2) : null,
        }
        const got = kernels.policyLoss(column(0), input)
        const want = clipLoss(column(0), input)
        for (const name of ['loss', 'dlogp', 'kl', 'clipped'] as const)
          for (const [i, value] of want[name].entries())
            expect([name, i, got[name][i], value, near(got[name][i]!, value)][4]).toBe(true)
      }),
    )
  })

  test('group advantage at every scale, with rows without a reward', () => {
    const reward = fc.oneof(
      { arbitrary: single({ min: -2, max: 2 }), weight: 5 },
      { arbitrary: fc.constant(Number.NaN), weight: 1 },
    )
    const row = fc.tuple(reward, fc.integer({ min: 0, max: 4 }))
    fc.assert(
      fc.property(fc.array(row, { maxLength: 30 }), fc.constantFrom('group', 'batch', 'none'), (rows, scale) => {
        const rewards = Float32Array.from(rows, (r) => r[0])
        const ids = Int32Array.from(rows, (r) => r[1])
        const options = { scale: scale as 'group', eps: 1e-4 }
        const got = kernels.groupAdvantage(rewards, ids, options)
        for (const [i, value] of groupAdvantage(rewards, ids, options).entries())
          expect(near(got[i]!, value)).toBe(true)
      }),
    )
  })
})
