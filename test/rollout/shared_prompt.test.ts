import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { loadRows } from '../../src/data/index.ts'
import { type PackGroup, packGroups, spread } from '../../src/rollout/pack.ts'
import { type OpenModel, openModel } from '../../src/trainer/open_model.ts'
import { randomSource } from '../harness/random.ts'
import { writeTinyVl } from '../trainer/tiny_vl.ts'

const dir = mkdtempSync(join(tmpdir(), 'rft-pack-'))
let opened: OpenModel
let groups: PackGroup[]
const weights = new Map<string, number>()

beforeAll(async () => {
  await writeTinyVl(dir)
  opened = await openModel(join(dir, 'model'))
  const random = randomSource(7)
  const rows = await loadRows([join(dir, 'data', 'train.jsonl')])
  groups = await Promise.all(
    rows.slice(0, 4).map(async (row, g) => {
      const completions = Array.from({ length: 1 + g }, (_, c) => {
        weights.set(`${g}/${c}`, random.next() - 0.5)
        return Int32Array.from({ length: 1 + random.int(9) }, () => random.int(256))
      })
      return { prompt: await opened.toPrompt(row), completions }
    }),
  )
  // the same picture in two prompts
  groups.push({ prompt: groups[0]!.prompt, completions: groups[1]!.completions })
  for (const c of groups[1]!.completions.keys()) weights.set(`4/${c}`, 0.3)
})
afterAll(() => {
  opened?.dispose()
  rmSync(dir, { recursive: true, force: true })
})

/** Log-probs per completion, and every parameter's gradient of sum w logp. */
async function run(options: { tokenBudget: number; shared?: boolean }) {
  const { model, merge } = opened
  await model.zeroGrad()
  const logps = new Map<string, number[]>()
  let rows = 0
  for (const batch of packGroups(groups, { temperature: 0.8, merge, ...options })) {
    rows += batch.pack.tokens.length
    const dlogp = spread(batch, (c) => weights.get(`${c.group}/${c.completion}`)!)
    const { logp } = await model.forwardBackward(batch.pack, batch.head, { dlogp })
    for (const c of batch.completions)
      logps.set(`${c.group}/${c.completion}`, [...logp.subarray(c.begin, c.begin + c.length)])
  }
  const gradients = new Map<string, Float32Array>()
  for (const { name } of model.parameters()) gradients.set(name, await model.readGradient(name))
  return { logps, gradients, rows }
}

function largestDifference(a: Float32Array, b: Float32Array): number {
  const scale = Math.hypot(...b)
  return Math.hypot(...a.map((v, i) => v - b[i]!)) / scale
}

describe('shared prompts, several groups per pack', () => {
  test.each([
    ['one pack', { tokenBudget: 100_000 }],
    ['groups split over micro-batches', { tokenBudget: 60 }],
    ['every completion alone', { tokenBudget: 1 }],
  ])('%s: log-probs equal the naive packing bit for bit, gradients to 1e-6', async (_, options) => {
    const naive = await run({ tokenBudget: 100_000, shared: false })
    const shared = await run(options)
    expect(Object.fromEntries(shared.logps)).toEqual(Object.fromEntries(naive.logps))
    for (const [name, gradient] of shared.gradients)
      expect([name, largestDifference(gradient, naive.gradients.get(name)!) < 1e-6]).toEqual([name, true])
    if (options.tokenBudget > 1) expect(shared.rows).toBeLessThan(naive.rows)
  })
})
