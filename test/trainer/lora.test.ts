/** Runs that train adapters: what is saved, what stays frozen, and that they resume bit for bit. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { planAdapterSave } from '../../src/checkpoint/adapter.ts'
import { openCheckpoint } from '../../src/checkpoint/hf_folder.ts'
import { checkpointPath } from '../../src/checkpoint/retention.ts'
import type { ConfigInput } from '../../src/config/schema.ts'
import { readMetrics } from '../../src/metrics/jsonl.ts'
import { planRun } from '../../src/plan/plan.ts'
import { openRun } from '../../src/trainer/open.ts'
import { openModel } from '../../src/trainer/open_model.ts'
import { train } from '../../src/trainer/train.ts'
import { rft } from '../cli/harness.ts'
import { temporaryFolder } from './runs.ts'
import { tinyVlConfig, writeTinyVl } from './tiny_vl.ts'

const folder = temporaryFolder()
beforeAll(async () => {
  await writeTinyVl(folder.dir)
  writeFileSync(
    join(folder.dir, 'vowels.mjs'),
    "export default { name: 'vowels', score: ({ completion }) => completion.split(/[aeiou]/).length }",
  )
})
afterAll(() => folder.remove())

const runDir = (name: string) => join(folder.dir, name)
const config = (name: string, input: Partial<ConfigInput> = {}) =>
  tinyVlConfig(folder.dir, runDir(name), {
    lora: { rank: 4, alpha: 8, dropout: 0.1 },
    algorithm: { kl: { coef: 0.05 } },
    rewards: [{ file: join(folder.dir, 'vowels.mjs') }],
    ...input,
  })

const lossLines = (name: string) =>
  readMetrics(runDir(name)).map(({ step, loss, kl, grad_norm }) => ({ step, loss, kl, grad_norm }))

test('a run saves its adapters alone, leaves the base, and resumes bit for bit', async () => {
  await train(config('whole'))
  await train(config('parts', { train: { steps: 3 } }))
  await train(config('parts'), { resume: true })
  const last = (name: string, file: string) => readFileSync(join(checkpointPath(runDir(name), 6), file))
  expect(existsSync(join(checkpointPath(runDir('whole'), 6), 'model.safetensors'))).toBe(false)
  for (const file of ['adapter_model.safetensors', 'optimizer.safetensors'])
    expect(last('parts', file).equals(last('whole', file)), file).toBe(true)
  expect(lossLines('whole').some(({ grad_norm }) => (grad_norm ?? 0) > 0)).toBe(true)
  expect(lossLines('parts').filter(({ step }) => step! > 3)).toEqual(lossLines('whole').filter(({ step }) => step! > 3))

  using trained = await openModel(checkpointPath(runDir('whole'), 6))
  using base = await openModel(join(folder.dir, 'model'))
  for (const { name } of base.model.parameters())
    expect(await trained.model.readParameter(name), name).toEqual(await base.model.readParameter(name))
  const b = await trained.model.readParameter('decoder.layers.0.q.lora_b.weight')
  expect(b.some((value) => value !== 0)).toBe(true)
})

test('optimizer and gradients are those of the adapters; the reference needs no weights', async () => {
  const full = await planRun(config('planned', { lora: null }))
  const lora = await planRun(config('planned', { lora: { rank: 1 } }))
  const optimizer = (plan: typeof full) => Math.max(...plan.phases.map(([, memory]) => memory.optimizer))
  const reference = (plan: typeof full) => Math.max(...plan.phases.map(([, memory]) => memory.reference))
  expect(optimizer(lora)).toBeLessThan(0.1 * optimizer(full))
  expect([reference(full) > 0, reference(lora)]).toEqual([true, 0])
  const run = await openRun(config('opened'))
  const trained = run.policy.parameters().filter((p) => p.trainable)
  expect(trained.every(({ name }) => /\.lora_[ab]\.weight$/.test(name))).toBe(true)
  expect(trained.some(({ name }) => name.startsWith('vision.'))).toBe(false)
  run.dispose()
})

test('rft merge writes a model folder that scores as the adapter does', async () => {
  const adapter = checkpointPath(runDir('whole'), 6)
  const out = join(folder.dir, 'merged')
  expect(await rft(['merge', adapter, '--out', out, '--dtype', 'f32'])).toEqual({
    code: 0,
    stdout: `${out}\n`,
    stderr: '',
  })
  expect((await rft(['merge', adapter, '--out', out])).stderr).toContain('expected a new folder')
  using merged = await openModel(out)
  using adapted = await openModel(adapter)
  const tokens = Int32Array.of(5, 6, 7, 8, 9)
  const positionIds = Int32Array.from({ length: 15 }, (_, i) => i % 5)
  const pack = { tokens, positionIds, segments: Int32Array.of(0, 5, 0, 0, 0, 5, 1), vision: null }
  const head = { rows: Int32Array.of(0, 1, 2, 3), targets: tokens.slice(1), temperature: 1 }
  const [a, b] = [await merged.model.score(pack, head), await adapted.model.score(pack, head)]
  for (const [i, value] of a.logp.entries()) expect(Math.abs(value - b.logp[i]!)).toBeLessThan(1e-5)
})

test('adapters of several ranks keep them through a folder of peft', async () => {
  const source = await openCheckpoint(join(folder.dir, 'model'))
  const targets = [
    { linear: 'decoder.layers.0.q', rank: 2, scale: 4 },
    { linear: 'decoder.layers.1.down', rank: 3, scale: 0.5 },
  ]
  const plan = planAdapterSave({ ...source, spec: { ...source.spec, lora: { targets, dropout: 0 } } }, 'base')
  expect(JSON.parse(plan.configText)).toMatchObject({
    rank_pattern: { 'model.language_model.layers.0.self_attn.q_proj': 2 },
    alpha_pattern: { 'model.language_model.layers.1.mlp.down_proj': 1.5 },
  })
})
