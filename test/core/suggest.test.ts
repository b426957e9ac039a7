import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { editDistance, suggest } from '../../src/core/suggest.ts'

describe('editDistance', () => {
  it.each([
    ['', '', 0],
    ['abc', '', 3],
    ['kitten', 'sitting', 3],
    ['lr', 'rl', 1],
    ['btea1', 'beta1', 1],
  ])('%j to %j is %i', (a, b, distance) => {
    expect(editDistance(a, b)).toBe(distance)
  })

  it('is symmetric and 0 only for equal text', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 12 }), fc.string({ maxLength: 12 }), (a, b) => {
        expect(editDistance(a, b)).toBe(editDistance(b, a))
        expect(editDistance(a, b) === 0).toBe(a === b)
      }),
    )
  })
})

describe('suggest', () => {
  const names = ['groupSize', 'temperature', 'topK', 'topP', 'maxNewTokens']

  it.each([
    ['grupSize', 'groupSize'],
    ['group_size', 'groupSize'],
    ['MaxNewTokens', 'maxNewTokens'],
    ['temprature', 'temperature'],
    ['tpoK', 'topK'],
  ])('%s is taken for %s', (written, meant) => {
    expect(suggest(written, names)).toBe(meant)
  })

  it('stays silent when nothing is close', () => {
    expect(suggest('learningRate', names)).toBeNull()
    expect(suggest('x'.repeat(100_000), names)).toBeNull()
    expect(suggest('abc', [])).toBeNull()
  })
})
