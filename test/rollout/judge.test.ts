/** What a reward sees of a sampled completion: its row, its length, and the sizes of its images. */
import { expect, test } from 'vitest'
import type { Prompt, Row } from '../../src/core/types.ts'
import type { RewardInput } from '../../src/rewards/define.ts'
import { judge } from '../../src/rollout/judge.ts'
import { createRewardRunner } from '../../src/rollout/reward_runner.ts'

const row: Row = {
  ...{ id: 'rows.jsonl:1', messages: [{ role: 'user', content: [{ type: 'image' }] }], images: [{ path: 'a.png' }] },
  ...{ answer: '[50, 25, 100, 75]', target: null, columns: { level: 2 } },
}
const sizes = { original: { width: 200, height: 100 }, resized: { width: 112, height: 56 } }
const prompt: Prompt = {
  ...{ row, tokens: new Int32Array(8), positionIds: new Int32Array(24), imageRows: new Int32Array(), nextPosition: 8 },
  images: [{ patches: new Float32Array(0), grid: [1, 4, 8], key: 'a', sizes }],
}
const completion = (text: string, tokens: number) => ({
  ...{ text, tokens: new Int32Array(tokens), logp: new Float32Array(tokens), entropy: new Float32Array(tokens) },
  finish: 'eos' as const,
})

test('boxes in pixels of the resized image are scored against boxes in pixels of the original', async () => {
  const seen: RewardInput[] = []
  const watch = {
    name: 'watch',
    score: (input: RewardInput) => {
      seen.push(input)
      return null
    },
  }
  const runner = await createRewardRunner([{ name: 'box_iou' }, { reward: watch }])
  const completions = [completion('[28, 14, 56, 42]', 5), completion('[50, 25, 100, 75]', 7)]
  const { groups } = await judge(runner, [{ prompt, completions }])
  expect(groups[0]!.rewardParts.box_iou![0]).toBe(1)
  expect(groups[0]!.rewardParts.box_iou![1]).toBeLessThan(0.3)
  expect(seen[1]).toMatchObject({ completionTokens: 7, finish: 'eos', columns: { level: 2 }, images: [sizes] })
  runner.dispose()
})
