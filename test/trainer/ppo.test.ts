/** PPO on a real model: it runs whole, it resumes bit for bit with its critic, and it learns what GRPO learns. */
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { checkpointPath } from '../../src/checkpoint/retention.ts'
import { buildHeader } from '../../src/checkpoint/safetensors.ts'
import type { ConfigInput } from '../../src/config/schema.ts'
import { readMetrics } from '../../src/metrics/jsonl.ts'
import { Model } from '../../src/native/model.ts'
import { openRun } from '../../src/trainer/open.ts'
import { train, trainRun } from '../../src/trainer/train.ts'
import { temporaryFolder } from './runs.ts'
import { tinyVlConfig, writeTinyVl } from './tiny_vl.ts'

const folder = temporaryFolder()
beforeAll(() => writeTinyVl(folder.dir))
afterAll(() => folder.remove())

const runDir = (name: string) => join(folder.dir, name)
const config = (name: string, algorithm: ConfigInput['algorithm'], steps: number, more: Partial<ConfigInput> = {}) =>
  tinyVlConfig(folder.dir, runDir(name), {
    algorithm,
    train: { steps },
    eval: { atEnd: false },
    checkpoint: { every: 2, keepLast: 9 },
    ...more,
  })

const untimed = (name: string) =>
  readMetrics(runDir(name)).map((record) =>
    Object.fromEntries(
      Object.entries(record).filter(([k]) => !/^timing\/|^step_time$|tokens_per_second|peak_rss/.test(k)),
    ),
  )

describe.each(['own', 'shared'] as const)('with a critic on its %s backbone', (backbone) => {
  const algorithm: ConfigInput['algorithm'] = {
    trainer: 'ppo',
    advantage: { lambda: 0.95 },
    kl: { coef: 0.02, estimator: 'k1', place: 'reward', schedule: 'adaptive', reference: 'ema', syncEvery: 2 },
    critic: { backbone, lr: 3e-3 },
    miniBatches: 3,
    updatesPerRollout: 2,
  }

  test('a run that goes on from a checkpoint has the metrics of one left alone', async () => {
    const [whole, cut] = [`whole-${backbone}`, `cut-${backbone}`]
    await train(config(whole, algorithm, 4))
    await train(config(cut, algorithm, 4))
    const from = checkpointPath(runDir(cut), 4)
    // As if the run had been killed after step 2.
    rmSync(from, { recursive: true })
    const lines = readFileSync(join(runDir(cut), 'metrics.jsonl'), 'utf8').split('\n')
    writeFileSync(join(runDir(cut), 'metrics.jsonl'), `${lines.slice(0, 2).join('\n')}\n`)
    await train(config(cut, algorithm, 4), { resume: true })
    expect(untimed(cut)).toEqual(untimed(whole))
    const bytes = (name: string, file: string) => readFileSync(join(checkpointPath(runDir(name), 4), file))
    const files = ['model.safetensors', 'critic.safetensors', 'reference.safetensors', 'trainer_state.json']
    for (const file of backbone === 'own' ? [...files, 'critic_optimizer.safetensors', 'critic_optimizer.json'] : files)
      expect([file, bytes(cut, file).equals(bytes(whole, file))]).toEqual([file, true])
  })
})

test('the critic learns to tell what completions will earn', async () => {
  const algorithm: ConfigInput['algorithm'] = {
    trainer: 'ppo',
    critic: { lr: 1e-2, warmupSteps: 40 },
    updatesPerRollout: 4,
  }
  const file = join(folder.dir, 'length.mjs')
  writeFileSync(file, "export default { name: 'length', score: ({ completion }) => completion.length / 10 }")
  await train(
    config('warm', algorithm, 25, { rewards: [{ file }], checkpoint: {}, optimizer: { lr: 1e-3, maxGradNorm: 0 } }),
  )
  const records = readMetrics(runDir('warm')).filter((r) => r['loss/value_avg'] !== undefined)
  const average = (part: typeof records) => part.reduce((sum, r) => sum + r['loss/value_avg']!, 0) / part.length
  expect(average(records.slice(-5))).toBeLessThan(0.7 * average(records.slice(0, 2)))
  // One step has 12 completions: their mean alone moves by more than the critic is off.
  const off = (part: typeof records) =>
    Math.abs(part.reduce((sum, r) => sum + r['critic/values/mean']! - r['critic/returns/mean']!, 0) / part.length)
  expect(off(records.slice(0, 1))).toBeGreaterThan(0.3)
  expect(off(records.slice(-10))).toBeLessThan(0.2)
})

test('a value head has the gradient that differences say', async () => {
  const spec = {
    decoder: {
      ...{ vocab: 16, hidden: 8, layers: 1, heads: 2, kvHeads: 1, headDim: 4, ffn: 12, rmsEps: 1e-6, ropeTheta: 1e4 },
      ...{ qkvBias: true, qkNorm: false, tiedHead: true, mropeSection: null },
    },
    vision: null,
    valueHead: true,
  }
  using model = await Model.create(spec)
  await model.initRandom(4)
  const tokens = Int32Array.of(3, 1, 4, 1, 5)
  const n = tokens.length
  const pack = {
    ...{ tokens, positionIds: Int32Array.from([...tokens.keys(), ...tokens.keys(), ...tokens.keys()]) },
    ...{ segments: Int32Array.of(0, n, 0, 0, 0, n, 1), vision: null },
  }
  const head = { rows: Int32Array.of(0, 2, 4), targets: Int32Array.of(1, 2, 3), temperature: 1 }
  const returns = Float32Array.of(1, -1, 0.5)
  const weights = Float32Array.of(1, 2, 0)
  const lossOf = async () =>
    (await model.values(pack, head.rows)).reduce((sum, v, i) => sum + (weights[i]! * (v - returns[i]!) ** 2) / 2, 0)
  const value = { returns, oldValues: null, weights, clip: 1 }
  const output = await model.forwardBackward(pack, head, { value })
  expect(output.logp).toHaveLength(0)
  expect(output.values).toBeUndefined()
  const values = await model.values(pack, head.rows)
  const losses = Array.from(values.subarray(0, 2), (v, i) => (v - returns[i]!) ** 2 / 2)
  expect(output.value).toEqual({
    weighted: expect.closeTo(losses[0]! + 2 * losses[1]!, 6),
    loss: expect.closeTo(losses[0]! + losses[1]!, 6),
    ...{ clipped: 0, rows: 2 },
  })
  for (const [name, at] of [
    ['value_head.weight', 3],
    ['value_head.bias', 0],
    ['decoder.layers.0.q.weight', 5],
    ['decoder.norm.weight', 2],
  ] as const) {
    const gradient = (await model.readGradient(name))[at]!
    const data = await model.readParameter(name)
    const h = 1e-2
    const moved = async (d: number) => {
      const copy = Float32Array.from(data)
      copy[at]! += d
      await model.writeParameter(name, copy)
      return lossOf()
    }
    const numeric = ((await moved(h)) - (await moved(-h))) / (2 * h)
    await model.writeParameter(name, data)
    expect(Math.abs(gradient - numeric)).toBeLessThan(2e-3 * Math.max(1, Math.abs(numeric)))
  }
  // Both heads at once: the gradient is the sum of those of each alone.
  const policy = {
    loss: { kind: 'reinforce' as const },
    ...{ advantages: Float32Array.of(1, -1, 2), weights, oldLogp: null },
  }
  const gradientOf = async (loss: Parameters<Model['forwardBackward']>[2]) => {
    await model.zeroGrad()
    await model.forwardBackward(pack, head, loss)
    return model.readGradient('decoder.layers.0.down.weight')
  }
  const [a, b, both] = [await gradientOf({ policy }), await gradientOf({ value }), await gradientOf({ policy, value })]
  for (const [i, g] of both.entries()) expect(g).toBeCloseTo(a[i]! + b[i]!, 5)
  await expect(Model.create({ ...spec, valueHead: false }).then((m) => m.values(pack, head.rows))).rejects.toThrow(
    'expected a model with a value head but received one without',
  )
})

test('a run that goes back takes a critic of its own back with it', async () => {
  const reward = join(folder.dir, 'words.mjs')
  writeFileSync(reward, "export default { name: 'words', score: ({ completion }) => completion.split(' ').length }")
  const input = config('back', { trainer: 'ppo', critic: { lr: 3e-3 } }, 4, {
    rewards: [{ file: reward }],
    train: { steps: 4, maxSkippedSteps: 1 },
    checkpoint: { every: 1, keepLast: 9 },
  })
  const run = await openRun(input)
  const critic = run.companions!.find(({ name }) => name === 'critic')!
  const { policy } = run
  const { forwardBackward, generate } = policy
  policy.forwardBackward = async (...call) => {
    const output = await forwardBackward.apply(policy, call)
    // Steps 3 and 4, the first time; the critic learns in them all the same.
    if (run.state.step >= 2 && run.state.rollbacks === 0) output.policy!.loss = Number.NaN
    return output
  }
  const seen: { step: number; rollbacks: number; critic: Buffer; moments: Buffer; updates: number }[] = []
  policy.generate = async (...call) => {
    const file = join(folder.dir, 'as-it-is.safetensors')
    const weights = critic.model.parameters().map(({ name, shape }) => ({ name, shape, dtype: 'F32' as const }))
    await critic.model.save(file, buildHeader(weights), weights)
    const now = readFileSync(file)
    const states = critic.optimizer!.states()
    await critic.optimizer!.save(file, buildHeader(states), states)
    const { step, rollbacks } = run.state
    seen.push({ step, rollbacks, critic: now, moments: readFileSync(file), updates: critic.optimizer!.steps })
    return generate.apply(policy, call)
  }
  const { state } = await trainRun(run)
  run.dispose()
  expect(state).toMatchObject({ step: 4, rollbacks: 1, skipped: 2 })
  expect(seen.map(({ step, rollbacks }) => [step, rollbacks])).toEqual([
    ...[0, 1, 2, 3].map((step) => [step, 0]),
    ...[1, 2, 3].map((step) => [step, 1]),
  ])
  const [first, before, after] = [seen[1]!, seen[3]!, seen[4]!]
  expect(before.critic.equals(first.critic)).toBe(false)
  expect(after.critic.equals(first.critic)).toBe(true)
  expect(after.moments.equals(first.moments)).toBe(true)
  expect([first.updates, before.updates, after.updates]).toEqual([1, 3, 1])
  expect(readFileSync(join(checkpointPath(runDir('back'), 1), 'critic.safetensors')).equals(after.critic)).toBe(true)
})
