import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import {
  covariances,
  highEntropyMask,
  importanceRatio,
  largestCovariances,
  sampledCovariances,
} from '../../src/algorithms/index.ts'
import * as kernels from '../../src/native/kernels.ts'
import type { ImportanceOptions } from '../../src/native/types.ts'

interface Case {
  mode: string
  clip_min: number | null
  clip_max: number
  old_logps: number[][]
  sampling_logps: (number | null)[][]
  mask: number[][]
  expected_ratio: number[][]
}
const { cases } = JSON.parse(
  readFileSync(new URL('../fixtures/rl/importance_ratio.json', import.meta.url), 'utf8'),
) as { cases: Case[] }

const columns = (c: Pick<Case, 'old_logps' | 'sampling_logps' | 'mask'>) => {
  const width = c.old_logps[0]!.length
  return {
    oldLogp: Float32Array.from(c.old_logps.flat()),
    sampledLogp: Float32Array.from(c.sampling_logps.flat(), (x) => x ?? Number.NaN),
    mask: Uint8Array.from(c.mask.flat()),
    sequences: Int32Array.from([...c.old_logps.map((_, b) => b * width), width * c.old_logps.length]),
  }
}

describe('against TRL', () => {
  test('8 cases', () => expect(cases).toHaveLength(8))
  test.each(cases)('$mode [$clip_min, $clip_max]', (c) => {
    const [level, bound] = c.mode.split('_') as ['token' | 'sequence', 'truncate' | 'mask']
    const options: ImportanceOptions = {
      level: level === 'token' ? 'token' : 'sequence-product',
      bound,
      low: c.clip_min ?? 0,
      high: c.clip_max,
    }
    const width = c.old_logps[0]!.length
    const want = c.expected_ratio.flatMap((row) =>
      row.length === width ? row : new Array<number>(width).fill(row[0]!),
    )
    const input = columns(c)
    for (const got of [importanceRatio(input, options), kernels.importanceRatio(input, options)])
      for (const [i, w] of want.entries())
        if (input.mask[i]) expect(Math.abs(got[i]! - w)).toBeLessThan(2e-6 * Math.max(1, w))
  })
})

test('the geometric mean does not fall with length, the product does', () => {
  const long = {
    old_logps: [new Array(100).fill(-1.1)],
    sampling_logps: [new Array(100).fill(-1)],
    mask: [new Array(100).fill(1)],
  }
  const ratio = (level: ImportanceOptions['level']) =>
    kernels.importanceRatio(columns(long), { level, bound: 'mask', low: 0.5, high: 2 })[0]
  expect(ratio('sequence-product')).toBe(0)
  expect(ratio('sequence-geometric')).toBeCloseTo(Math.exp(-0.1), 5)
  expect(ratio('token')).toBeCloseTo(Math.exp(-0.1), 5)
})

describe('masks', () => {
  test('the most uncertain fifth', () => {
    const entropy = Array.from({ length: 10 }, (_, i) => i)
    expect([...highEntropyMask(entropy, 0.2)]).toEqual([0, 0, 0, 0, 0, 0, 0, 0, 1, 1])
    expect([...highEntropyMask(entropy, 1)].every((m) => m === 1)).toBe(true)
    expect(highEntropyMask([], 0.2)).toHaveLength(0)
  })

  test('covariance: the largest for KL-Cov, a seeded draw in a band for Clip-Cov', () => {
    const advantages = [1, 1, -1, -1, 2, -2]
    const logp = [-0.1, -2, -0.1, -2, -0.1, -3]
    const cov = covariances(advantages, logp)
    expect([...largestCovariances(cov, 0.4)]).toEqual([0, 0, 0, 0, 1, 1])
    expect([...largestCovariances(cov, 2e-4)].filter(Boolean)).toHaveLength(1)
    const band = { share: 0.2, low: 0, high: 5, seed: 7 }
    const drawn = sampledCovariances(cov, (i) => i === 4, band)
    expect([...drawn].filter(Boolean)).toHaveLength(1)
    expect(drawn[4]).toBe(0)
    expect(sampledCovariances(cov, () => false, band)).toEqual(sampledCovariances(cov, () => false, band))
    const places = Array.from({ length: 40 }, (_, seed) =>
      sampledCovariances(cov, () => false, { ...band, seed }).indexOf(1),
    )
    expect(new Set(places).size).toBeGreaterThan(1)
    expect([...sampledCovariances(cov, () => true, band)].every((m) => m === 0)).toBe(true)
  })
})
