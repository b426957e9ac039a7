import { expect, test } from 'vitest'
import type { Group } from '../../src/core/types.ts'
import { rewardExamples } from '../../src/rollout/reward_examples.ts'

const group = (texts: string[], rewards: number[]): Group => ({
  prompt: {
    row: { id: 'train.jsonl:3', messages: [], images: [], answer: '4', target: null, columns: {} },
    ...{ tokens: Int32Array.of(1), positionIds: new Int32Array(3), images: [], imageRows: new Int32Array(0) },
    nextPosition: 1,
  },
  completions: texts.map((text, i) => ({
    ...{ text, tokens: Int32Array.of(1), logp: Float32Array.of(0), entropy: Float32Array.of(0) },
    finish: i === 0 ? ('length' as const) : ('eos' as const),
  })),
  rewards,
  rewardParts: {},
})

test('shares of what went wrong, and examples as the rewards read them', () => {
  const lines = rewardExamples([group(['I see four', 'so <answer>5</answer>'], [0, 0])])
  expect(lines[0]).toBe(
    '50 % of 2 completions were cut off, 50 % have no <answer>, \\boxed{} or </think>, 100 % of the groups score alike',
  )
  expect(lines[1]).toBe('train.jsonl:3 expected "4", read "I see four" from ... "I see four"')
  expect(rewardExamples([])).toEqual([])
})

test('long and hostile completions stay one short line', () => {
  const [, line] = rewardExamples([group([`${'a\n'.repeat(10_000)}\u001b[31m`], [0])])
  expect(line!.length).toBeLessThan(800)
  expect([...line!].every((c) => c >= ' ')).toBe(true)
})
