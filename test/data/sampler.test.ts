import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createRandom, permutation } from '../../src/core/random.ts'
import { createSampler } from '../../src/data/sampler.ts'

describe('createSampler', () => {
  test('every epoch visits every row once, each in another order', () => {
    const sampler = createSampler({ size: 50, seed: 3 })
    const epochs = [sampler.next(50), sampler.next(50), sampler.next(50)]
    for (const epoch of epochs)
      expect([...epoch].sort((a, b) => a - b)).toEqual(Array.from({ length: 50 }, (_, k) => k))
    expect(epochs[0]).not.toEqual(epochs[1])
    expect(epochs[1]).not.toEqual(epochs[2])
  })

  test('the order is the seed’s and stays the same over versions', () => {
    const take = (seed: number) => createSampler({ size: 8, seed }).next(8)
    expect(take(0)).toEqual(take(0))
    expect(take(0)).not.toEqual(take(1))
    expect(take(1)).not.toEqual(take(1 + 2 ** 32))
    expect(take(0)).toEqual([4, 1, 7, 2, 0, 3, 5, 6])
  })

  test('without shuffling the rows come in file order, again and again', () => {
    expect(createSampler({ size: 3, seed: 0, shuffle: false }).next(7)).toEqual([0, 1, 2, 0, 1, 2, 0])
  })

  test('a restored sampler goes on exactly, wherever it was', () => {
    const draws = fc.array(fc.integer({ min: 0, max: 40 }), { maxLength: 8 })
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 30 }), fc.maxSafeInteger(), draws, (size, seed, before) => {
        const first = createSampler({ size, seed })
        for (const n of before) first.next(n)
        const saved = JSON.parse(JSON.stringify(first.state()))
        const second = createSampler({ size, seed })
        second.restore(saved)
        expect(second.state()).toEqual(first.state())
        expect(second.next(70)).toEqual(first.next(70))
      }),
    )
  })

  test('the sequence does not depend on how it is cut', () => {
    const whole = createSampler({ size: 7, seed: 5 }).next(40)
    const sampler = createSampler({ size: 7, seed: 5 })
    const parts = [0, 3, 7, 1, 20, 9].flatMap((n) => sampler.next(n))
    expect(parts).toEqual(whole)
  })

  test('refuses an empty dataset and states it cannot have had', () => {
    expect(() => createSampler({ size: 0, seed: 0 })).toThrow(/at least one row but received 0/)
    const sampler = createSampler({ size: 4, seed: 0 })
    for (const state of [
      { epoch: 0, index: 5 },
      { epoch: -1, index: 0 },
      { epoch: 0.5, index: 0 },
      { epoch: 0, index: Number.NaN },
      {} as never,
    ])
      expect(() => sampler.restore(state)).toThrow(/sampler state: expected a place within 4 rows/)
  })
})

describe('createRandom', () => {
  test('below(n) is uniform (chi-square over 6 values, 60,000 draws)', () => {
    const random = createRandom(11)
    const counts = Array<number>(6).fill(0)
    for (let k = 0; k < 60_000; k++) counts[random.below(6)]!++
    const chiSquare = counts.reduce((sum, count) => sum + (count - 10_000) ** 2 / 10_000, 0)
    expect(chiSquare).toBeLessThan(20.5) // p = 0.001 at 5 degrees of freedom
  })

  test('streams of different keys differ', () => {
    const keys = [[0], [1], [0, 0], [0, 1], [1, 0], [2 ** 40], [-1]]
    const first = keys.map((key) => createRandom(...key).bits())
    expect(new Set(first).size).toBe(keys.length)
  })

  test('all orders of four are equally likely', () => {
    const counts = new Map<string, number>()
    const random = createRandom(2)
    for (let k = 0; k < 24_000; k++) {
      const key = permutation(4, random).join('')
      counts.set(key, (counts.get(key) ?? 0) + 1)
    }
    expect(counts.size).toBe(24)
    const chiSquare = [...counts.values()].reduce((sum, count) => sum + (count - 1000) ** 2 / 1000, 0)
    expect(chiSquare).toBeLessThan(49.7) // p = 0.001 at 23 degrees of freedom
  })
})
