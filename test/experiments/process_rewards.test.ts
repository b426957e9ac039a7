import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { perturbed, processRewards } from '../../src/experiments/process_rewards.ts'
import { createRewardRunner, type RewardSpec } from '../../src/rollout/reward_runner.ts'

const working = 'red 1 green 2 blue 0 yellow 0, 1*2+0=2+0=2'
const row = {
  ...{ kind: 'arithmetic', problem: 'How much is red times green plus blue?' },
  target: `<think>${working}</think><answer>2</answer>`,
}

it('judges steps where they end, and the whole by the true steps that are there', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'rft-judge-'))
  const specs = processRewards.arms(10).find(({ name }) => name === 'process')!.settings.rewards as RewardSpec[]
  const runner = await createRewardRunner(specs)
  const judge = async (completion: string, columns: Record<string, unknown> = { working }) => {
    const input = { completionTokens: 1, finish: 'eos' as const, messages: [], images: [], id: 'row', answer: '2' }
    const { process, parts } = await runner.score([{ ...input, completion, columns }])
    return { score: parts.steps![0], steps: process[0]?.steps ?? null }
  }
  try {
    const right = await judge(row.target)
    expect(right.score).toBe(1)
    expect(right.steps!.map(({ reward }) => reward)).toEqual([1, 1, 1, 1, 1, 1, 1])
    expect(
      right.steps!.map(({ end }) =>
        row.target
          .slice(0, end)
          .split(/[ ,>=]/)
          .at(-1),
      ),
    ).toEqual(['1', '2', '0', '0', '1*2+0', '2+0', '2'])
    const wrong = await judge('<think>red 2 green 2 blue 0 yellow 0, 1*2+0=2+0=2</think><answer>2</answer>')
    expect(wrong.score).toBeCloseTo(6 / 7, 12)
    expect(wrong.steps!.map(({ reward }) => reward)).toEqual([0, 1, 1, 1, 1, 1, 1])
    expect(await judge('<think></think><answer>2</answer>')).toEqual({ score: 0, steps: [] })
    expect(await judge('red 1 green 2')).toEqual({ score: 0, steps: [] })
    expect((await judge('<think>red 1 red 1 red 1</think>')).score).toBeCloseTo(1 / 7, 12)
    expect(await judge(row.target, {})).toEqual({ score: null, steps: null })
    const begin = performance.now()
    await judge(`<think>${'red 1 '.repeat(100_000)}</think>`)
    expect(performance.now() - begin).toBeLessThan(2000)
  } finally {
    runner.dispose()
    await rm(dir, { recursive: true })
  }
})

it('makes counts wrong, and leaves figures, answer and the true working as they are', () => {
  const many = Array.from({ length: 200 }, (_, index) => perturbed(row, index)!)
  for (const { target, working: kept } of many) {
    expect(target).toMatch(
      /^<think>red [12] green [23] blue [01] yellow [01], 1\*2\+0=2\+0=2<\/think><answer>2<\/answer>$/,
    )
    expect(kept).toBe(working)
  }
  const wrong = many.filter(({ target }) => target.includes('red 2')).length / 200
  expect(wrong).toBeGreaterThan(0.5)
  expect(wrong).toBeLessThan(0.7)
  expect(perturbed(row, 7)).toEqual(perturbed(row, 7))
  expect(perturbed({ ...row, target: '<think></think><answer>2</answer>' }, 0)).toBeNull()
  expect(perturbed({ ...row, kind: 'count' }, 0)).toBeNull()
})
