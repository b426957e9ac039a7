/** The table of Math-Verify's own test cases (test/fixtures/math). A false accept is a reward hack: none is allowed. */
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import { verifyMath } from '../../../src/rewards/math/verify.ts'

interface Case {
  gold: string
  pred: string
  expected?: 0 | 1
  /** The same under another name in one of its files. */
  result?: 0 | 1
  match_types: string[] | null
  test: string
  line: number
}

const table = path.join(import.meta.dirname, '../../fixtures/math/verify_cases.json')
const cases: Case[] = JSON.parse(readFileSync(table, 'utf8'))

const tiers = [
  { tier: 1, tests: /number_extraction|simple_fraction|latex_notation$|percent|boxed/, share: 1 },
  { tier: 2, tests: /sets|set_rel|matrix|relations|edge_cases|additional_cases/, share: 0.9 },
  {
    tier: 3,
    tests: /complex_math|latex_notation_math|numina|sqrt_precision|open_thoughts|string_extraction/,
    share: 0.7,
  },
]
/** These two lines of the original test switch set relations on. */
const withSetRelation = new Set([894, 901])

const accepts = ({ gold, pred, match_types, line }: Case) =>
  verifyMath(gold, pred, {
    latex: match_types?.includes('latex') ?? true,
    expression: match_types?.includes('expr') ?? true,
    setRelation: withSetRelation.has(line),
  })
const isEqual = ({ expected, result }: Case) => (expected ?? result) === 1

test('every case belongs to one tier', () => {
  expect(cases).toHaveLength(137)
  for (const { test: name } of cases) expect(tiers.filter(({ tests }) => tests.test(name))).toHaveLength(1)
})

test('nothing unequal is accepted', () => {
  expect(cases.filter((row) => !isEqual(row) && accepts(row))).toEqual([])
})

test.each(tiers)('tier $tier: at least the share $share is right', ({ tests, share }) => {
  const own = cases.filter(({ test: name }) => tests.test(name))
  const wrong = own.filter((row) => accepts(row) !== isEqual(row))
  expect(wrong.length, JSON.stringify(wrong.map(({ gold, pred }) => [gold, pred]))).toBeLessThanOrEqual(
    Math.floor(own.length * (1 - share)),
  )
})
