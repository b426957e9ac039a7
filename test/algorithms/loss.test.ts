import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Aggregation, aggregationWeights, type ClipLossInput, clipLoss, k3 } from '../../src/algorithms/index.ts'

interface Case {
  name: string
  options: {
    loss_type: string
    importance_sampling_level: string
    beta: number
    epsilon_low: number
    epsilon_high: number
    max_completion_length: number
  }
  inputs: {
    logps: number[][]
    old_logps?: number[][]
    ref_logps: number[][]
    mask: number[][]
    advantages: number[]
    num_items_in_batch: number
  }
  expected: { loss: number; grad_logps: number[][]; metrics: Record<string, number> }
}
const golden = JSON.parse(readFileSync(new URL('../fixtures/rl/losses.json', import.meta.url), 'utf8')) as {
  cases: Case[]
}
const AGGREGATION: Record<string, Aggregation> = {
  grpo: 'sequence-mean',
  bnpo: 'token-mean',
  dapo: 'token-mean',
  dr_grpo: 'fixed-length',
}
const cases = golden.cases.filter((c) => /^(grpo|bnpo|dapo|dr_grpo)\//.test(c.name))

/** Padded rows -> columns; masked rows keep weight 0. */
function columns({ options, inputs }: Case) {
  const lengths = inputs.mask.map((row) => row.reduce((a, b) => a + b, 0))
  const perSequence = aggregationWeights(lengths, AGGREGATION[options.loss_type]!, options.max_completion_length)
  // TRL's dapo divides by the tokens of the whole generation batch, of which the case may be a part.
  const share = options.loss_type === 'dapo' ? lengths.reduce((a, b) => a + b, 0) / inputs.num_items_in_batch : 1
  const weights = inputs.mask.flatMap((row, b) => row.map((m) => m * perSequence[b]! * share))
  const advantages = inputs.mask.flatMap((row, b) => row.map(() => inputs.advantages[b]!))
  const input: ClipLossInput = {
    advantages,
    oldLogp: inputs.old_logps?.flat() ?? null,
    refLogp: options.beta > 0 ? inputs.ref_logps.flat() : null,
    weights,
    clipLow: options.epsilon_low,
    clipHigh: options.epsilon_high,
    klCoef: options.beta,
  }
  return { logp: inputs.logps.flat(), input }
}

const total = (logp: number[], input: ClipLossInput) =>
  clipLoss(logp, input).loss.reduce((sum, l, i) => sum + l * input.weights[i]!, 0)

describe('against TRL', () => {
  test('12 cases', () => expect(cases).toHaveLength(12))
  test.each(cases)('$name', (c) => {
    const { logp, input } = columns(c)
    const got = clipLoss(logp, input)
    expect(Math.abs(total(logp, input) - c.expected.loss)).toBeLessThanOrEqual(
      1e-12 * Math.abs(c.expected.loss) + 1e-15,
    )
    const want = c.expected.grad_logps.flat()
    const largest = Math.max(...want.map(Math.abs))
    want.forEach((g, i) => {
      expect(Math.abs(got.dlogp[i]! - g)).toBeLessThanOrEqual(1e-12 * largest)
    })
    const trained = input.weights as number[]
    const count = trained.filter((w) => w > 0).length
    const fraction = (side: number) => got.clipped.filter((s, i) => s === side && trained[i]! > 0).length / count
    if (c.expected.metrics.kl !== undefined)
      expect(got.kl.reduce((a, b) => a + b, 0) / count).toBeCloseTo(c.expected.metrics.kl, 12)
    expect(fraction(1)).toBeCloseTo(c.expected.metrics['clip_ratio/low_mean']!, 12)
    expect(fraction(2)).toBeCloseTo(c.expected.metrics['clip_ratio/high_mean']!, 12)
  })
})

describe('gradient', () => {
  test('equals central differences away from the kinks', () => {
    const near = (ratio: number, bound: number) => Math.abs(ratio - bound) < 1e-3
    fc.assert(
      fc.property(
        fc.float({ min: -3, max: 0, noNaN: true }),
        fc.float({ min: -3, max: 0, noNaN: true }),
        fc.float({ min: -3, max: 0, noNaN: true }),
        fc.float({ min: -2, max: 2, noNaN: true }),
        (logp, old, ref, advantage) => {
          const ratio = Math.exp(logp - old)
          if (near(ratio, 0.8) || near(ratio, 1.28)) return
          const input = {
            ...{ advantages: [advantage], oldLogp: [old], refLogp: [ref], weights: [0.37] },
            ...{ clipLow: 0.2, clipHigh: 0.28, klCoef: 0.04 },
          }
          const h = 1e-6
          const numeric = (total([logp + h], input) - total([logp - h], input)) / (2 * h)
          expect(Math.abs(clipLoss([logp], input).dlogp[0]! - numeric)).toBeLessThan(1e-6 * (1 + Math.abs(numeric)))
        },
      ),
    )
  })

  test('on-policy it is -A x weight, exactly, at any log-prob', () => {
    const options = { oldLogp: null, refLogp: null, clipLow: 0.2, clipHigh: 0.2, klCoef: 0 }
    const { dlogp, clipped } = clipLoss([-0.5, -90], { ...options, advantages: [2, -3], weights: [0.5, 0.25] })
    expect([...dlogp]).toEqual([-1, 0.75])
    expect([...clipped]).toEqual([0, 0])
  })
})

describe('hostile columns', () => {
  const bounds = { clipLow: 0.2, clipHigh: 0.2, klCoef: 0.04 }

  test('ratios of exp(500) and exp(-500) stay finite', () => {
    for (const advantage of [1, -1, 0])
      for (const old of [-500, 0]) {
        const logp = old === 0 ? -500 : 0
        const got = clipLoss([logp], {
          ...bounds,
          advantages: [advantage],
          oldLogp: [old],
          refLogp: [old],
          weights: [1],
        })
        expect([got.loss[0], got.dlogp[0], got.kl[0]].every(Number.isFinite)).toBe(true)
      }
  })

  test('a row of weight 0 contributes nothing, even when its columns are NaN', () => {
    const nan = [Number.NaN]
    const got = clipLoss(nan, { ...bounds, advantages: nan, oldLogp: nan, refLogp: nan, weights: [0] })
    expect([got.loss[0], got.dlogp[0], got.kl[0], got.clipped[0]]).toEqual([0, 0, 0, 0])
  })
})

describe('k3', () => {
  test('is never negative, and zero only at equality', () => {
    fc.assert(
      fc.property(fc.float({ min: -30, max: 0, noNaN: true }), fc.float({ min: -30, max: 0, noNaN: true }), (a, b) => {
        expect(k3(a, b).value).toBeGreaterThanOrEqual(0)
        if (Math.abs(a - b) > 1e-5) expect(k3(a, b).value).toBeGreaterThan(0)
      }),
    )
    expect(k3(-1, -1)).toEqual({ value: 0, grad: -0 })
  })
})

describe('aggregation', () => {
  const lengths = [3, 1, 0, 4]
  test('weights of each mode', () => {
    expect([...aggregationWeights(lengths, 'token-mean', 16)]).toEqual([1 / 8, 1 / 8, 0, 1 / 8])
    expect([...aggregationWeights(lengths, 'sequence-mean', 16)]).toEqual([1 / 12, 1 / 4, 0, 1 / 16])
    expect([...aggregationWeights(lengths, 'fixed-length', 16)]).toEqual([1 / 64, 1 / 64, 0, 1 / 64])
  })
  test('a batch without any trained token has no weight and no NaN', () => {
    expect([...aggregationWeights([0, 0], 'token-mean', 16)]).toEqual([0, 0])
  })
})
