import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { majorityRight, meanOfRows, pairedDifference, passAtK, proportion } from '../../src/evaluation/statistics.ts'

const rounded = ({ value, low, high }: { value: number; low: number; high: number }) =>
  [value, low, high].map((n) => Number(n.toFixed(4)))

describe('a share', () => {
  // statsmodels.stats.proportion.proportion_confint(method='wilson')
  it.each([
    [8, 10, [0.8, 0.4902, 0.9433]],
    [0, 10, [0, 0, 0.2775]],
    [10, 10, [1, 0.7225, 1]],
    [137, 500, [0.274, 0.2367, 0.3147]],
  ])('%i of %i', (right, rows, wanted) => expect(rounded(proportion(right, rows))).toEqual(wanted))

  it('of nothing may be anything', () => expect(proportion(0, 0)).toEqual({ value: 0, low: 0, high: 1 }))
})

describe('a paired difference', () => {
  it('has the interval of the deviation between rows', () => {
    const { value, low, high } = pairedDifference([0, 0, 1, 1, 1], [1, 0, 1, 0, 1])
    const half = 1.959964 * Math.sqrt(2 / 4 / 5) // differences 1, 0, 0, -1, 0
    expect(value).toBe(0)
    expect(low).toBeCloseTo(-half, 12)
    expect(high).toBeCloseTo(half, 12)
  })

  it('knows that rows go together: one row lost of many is a clear loss of little', () => {
    const before = Array.from({ length: 100 }, (_, i) => i % 2)
    const after = before.map((right, i) => (i < 12 ? 1 : right))
    const { value, low, high } = pairedDifference(before, after)
    expect(value).toBeCloseTo(0.06, 12)
    expect(low).toBeGreaterThan(0)
    expect(high).toBeLessThan(0.12)
    expect(pairedDifference(after, before)).toEqual({ value: -value, low: -high, high: -low })
  })

  it('of one row or none may be anything; of other rows it is refused', () => {
    expect(pairedDifference([], [])).toEqual({ value: 0, low: -1, high: 1 })
    expect(pairedDifference([0], [1])).toEqual({ value: 1, low: -1, high: 1 })
    expect(() => pairedDifference([0], [])).toThrow('expected 1 values, as many as before but received 0')
  })
})

describe('a mean of rows', () => {
  it('has the interval of the deviation between rows', () => {
    const values = [0, 0.25, 0.5, 1]
    const half = (1.959964 * Math.sqrt(0.546875 / 3)) / 2 // variance 0.546875 / 3, four rows
    const { value, low, high } = meanOfRows(values)
    expect(value).toBe(0.4375)
    expect(low).toBeCloseTo(0.4375 - half, 12)
    expect(high).toBeCloseTo(0.4375 + half, 12)
  })

  it('of rows that all agree is not certain', () => {
    const { value, low, high } = meanOfRows([1, 1, 1])
    expect([value, high]).toEqual([1, 1])
    expect(low).toBeLessThan(0.5)
  })

  it('covers the truth about 95 times in 100', () => {
    let seed = 1
    const random = () => {
      seed = (seed * 48271) % 2147483647
      return seed / 2147483647
    }
    let covered = 0
    for (let run = 0; run < 500; run++) {
      const { low, high } = meanOfRows(Array.from({ length: 100 }, () => (random() + random() + random()) / 3))
      if (low <= 0.5 && 0.5 <= high) covered++
    }
    expect(covered / 500).toBeGreaterThan(0.92)
    expect(covered / 500).toBeLessThan(0.98)
  })
})

describe('pass@k', () => {
  it('is the mean over all choices of k samples', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 8 }), fc.nat(8), fc.integer({ min: 1, max: 8 }), (n, c, k) => {
        fc.pre(c <= n && k <= n)
        let [hits, all] = [0, 0]
        for (let mask = 0; mask < 2 ** n; mask++) {
          const chosen = [...Array(n).keys()].filter((i) => mask & (1 << i))
          if (chosen.length !== k) continue
          all++
          if (chosen.some((i) => i < c)) hits++
        }
        expect(passAtK(n, c, k)).toBeCloseTo(hits / all, 12)
      }),
    )
  })
})

describe('the majority', () => {
  const same = (a: string, b: string) => a === b
  const votes = (text: string) => [...text].map((answer) => ({ answer, right: answer === 'r' ? 1 : 0 }))

  it.each([
    ['rrw', 1],
    ['rww', 0],
    ['rw', 0.5],
    ['rrwwx', 0.5],
    ['rwx', 1 / 3],
    ['', 0],
  ])('of %s', (text, wanted) => expect(majorityRight(votes(text), same)).toBeCloseTo(wanted, 12))
})
