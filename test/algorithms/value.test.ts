import { expect, test } from 'vitest'
import { explainedVariance, valueLoss } from '../../src/algorithms/index.ts'
import * as kernels from '../../src/native/kernels.ts'
import { randomSource } from '../harness/random.ts'

const { next } = randomSource(4)
const column = (scale: number) => Float32Array.from({ length: 300 }, () => scale * (next() - 0.5))
const values = column(4)
const input = {
  ...{ returns: column(4), oldValues: values.map((v) => v + 1.5 * (next() - 0.5)), clip: 0.3 },
  weights: Float32Array.from({ length: 300 }, (_, i) => (i % 7 === 0 ? 0 : next())),
}

test('the kernel computes what the twin says, clipped or not', () => {
  for (const oldValues of [input.oldValues, null]) {
    const [got, want] = [kernels.valueLoss(values, { ...input, oldValues }), valueLoss(values, { ...input, oldValues })]
    for (const name of ['loss', 'dvalue', 'clipped'] as const)
      for (const [i, w] of want[name].entries()) expect(got[name][i]).toBeCloseTo(w, 5)
    expect(want.clipped.some((c) => c === 1)).toBe(oldValues !== null)
  }
})

test('the gradient equals central differences', () => {
  const { dvalue } = valueLoss(values, input)
  const total = (at: Float64Array) => valueLoss(at, input).loss.reduce((sum, l, i) => sum + input.weights[i]! * l, 0)
  for (let i = 0; i < 60; i++) {
    const moved = (h: number) => Float64Array.from(values, (v, k) => v + (k === i ? h : 0))
    expect(dvalue[i]).toBeCloseTo((total(moved(1e-6)) - total(moved(-1e-6))) / 2e-6, 5)
  }
})

test('explained variance: 1 for a critic that knows, 0 for a constant, below for worse', () => {
  const returns = [1, 2, 3, 4]
  expect(explainedVariance(returns, returns)).toBe(1)
  expect(explainedVariance([7, 7, 7, 7], returns)).toBeCloseTo(0, 4)
  expect(explainedVariance([4, 3, 2, 1], returns)).toBeCloseTo(-3, 3)
  expect(explainedVariance([], [])).toBe(1)
})
