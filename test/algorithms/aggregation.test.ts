import { describe, expect, test } from 'vitest'
import { type Aggregation, aggregations, aggregationWeights, totalsOf } from '../../src/algorithms/index.ts'

const lengths = [3, 1, 0, 4]
const weights = (mode: Aggregation, own = lengths, more = {}) => [
  ...aggregationWeights(own, { mode, fixedLength: 16, ...more }),
]

test('weights of each mode', () => {
  expect(weights('token-mean')).toEqual([1 / 8, 1 / 8, 0, 1 / 8])
  expect(weights('sequence-mean')).toEqual([1 / 12, 1 / 4, 0, 1 / 16])
  expect(weights('fixed-length')).toEqual([1 / 64, 1 / 64, 0, 1 / 64])
  expect(weights('sequence-sum')).toEqual([1 / 4, 1 / 4, 0, 1 / 4])
  expect(weights('rollout-token-mean', lengths, { rollout: { tokens: 40, miniBatches: 2 } })).toEqual([
    1 / 20,
    1 / 20,
    0,
    1 / 20,
  ])
  expect(weights('micro-batch-token-mean', [3, 1], { microBatches: 2 })).toEqual([1 / 8, 1 / 8])
})

describe.each(aggregations)('%s', (mode) => {
  test('parts of a mini-batch, of micro-batches or of ranks, have the weights of the whole', () => {
    const odd = [3, 1, 0, 5]
    const rollout = { tokens: 9, miniBatches: 1 }
    const whole = weights(mode, odd, { rollout })
    for (const cut of [1, 2, 3]) {
      const parts = [odd.slice(0, cut), odd.slice(cut)]
      const totals = parts
        .map(totalsOf)
        .reduce((a, b) => ({ completions: a.completions + b.completions, tokens: a.tokens + b.tokens }))
      const got = parts.flatMap((part) => weights(mode, part, { totals, rollout, microBatches: 2 }))
      // The mean of each micro-batch is another quantity as soon as micro-batches differ in length.
      if (mode === 'micro-batch-token-mean') expect(got).not.toEqual(whole)
      else expect(got).toEqual(whole)
    }
  })

  test('a batch without any trained token has no weight and no NaN', () => {
    expect(weights(mode, [0, 0])).toEqual([0, 0])
  })
})
