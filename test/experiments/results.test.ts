import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import {
  accuracyOf,
  changeOf,
  lateMean,
  readOutcome,
  rightOf,
  secondsPerStep,
  writeOutcome,
} from '../../src/experiments/results.ts'
import { signedPoints } from '../../src/experiments/wording.ts'

let dir = ''
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'rft-results-'))
})
afterEach(() => rm(dir, { recursive: true }))

const outcome = { steps: 3, seconds: 1.5, completions: 12, tokens: 400, answers: { b: '01', a: '111' } }

it('reads back what it wrote, and nothing where nothing is', async () => {
  expect(await readOutcome(dir)).toBeNull()
  await writeOutcome(dir, outcome)
  expect(await readdir(dir)).toEqual(['outcome.json'])
  expect(await readOutcome(dir)).toEqual(outcome)
})

it.each(['', '{"steps": 3', '[]', 'null', JSON.stringify({ ...outcome, answers: { a: '012' } })])(
  'refuses %j and says what to do',
  async (text) => {
    await writeFile(join(dir, 'outcome.json'), text)
    await expect(readOutcome(dir)).rejects.toThrow(/outcome.json: expected the outcome of an arm but received .*Remove/)
  },
)

it('takes kinds together or apart, in one order', () => {
  expect(rightOf(outcome.answers)).toEqual([1, 1, 1, 0, 1])
  expect(rightOf(outcome.answers, ['b'])).toEqual([0, 1])
  expect(accuracyOf(outcome.answers).value).toBe(0.8)
  expect(accuracyOf(outcome.answers, ['b']).value).toBe(0.5)
  expect(changeOf({ a: '0011' }, { a: '0111' }).value).toBe(0.25)
  expect(() => changeOf({ a: '0' }, { a: '01' })).toThrow('expected 1 values')
  expect(signedPoints({ value: -0.0412, low: -0.08, high: 0 })).toBe('-4.1 (-8.0 to 0.0)')
})

it('means the last steps that have a metric, and takes the median of times', () => {
  const records = [1, 2, 3, 4, 5, 6, 7, 8].map((step) => ({ step, reward: step, step_time: step === 3 ? 100 : step }))
  expect(lateMean({ records: [...records, { step: 8, eval_accuracy: 1 }] }, 'reward')).toBe(7.5)
  expect(lateMean({ records }, 'kl')).toBeNaN()
  expect(secondsPerStep({ records })).toBe(6)
})
