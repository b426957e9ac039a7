import { existsSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { afterAll, beforeAll, describe, expect, expectTypeOf, it } from 'vitest'
import { checkpointPath } from '../../src/checkpoint/retention.ts'
import {
  defineReward,
  GrpoTrainer,
  type loadModel,
  loadRows,
  type MetricsRecord,
  type OpenModel,
  type RewardChoice,
  type RewardInput,
  type TrainerSettings,
  type TrainResult,
} from '../../src/index.ts'
import { readMetrics } from '../../src/metrics/jsonl.ts'
import { compilePackage } from '../harness/compiled.ts'
import { temporaryFolder } from './runs.ts'
import { writeTinyVl } from './tiny_vl.ts'

const folder = temporaryFolder()
let compiled: string
beforeAll(async () => {
  await writeTinyVl(folder.dir)
  compiled = compilePackage()
})
afterAll(() => {
  folder.remove()
  rmSync(compiled, { recursive: true, force: true })
})

const vowels = defineReward({ name: 'vowels', score: ({ completion }) => completion.split(/[aeiou]/).length })

function settings(name: string, more: Partial<TrainerSettings> = {}): TrainerSettings {
  return {
    ...{ model: join(folder.dir, 'model'), dir: join(folder.dir, name), steps: 4, rewards: [vowels] },
    train: [join(folder.dir, 'data', 'train.jsonl')],
    config: { rollout: { promptsPerStep: 2, groupSize: 3, maxNewTokens: 6 }, optimizer: { lr: 1e-3 } },
    ...more,
  }
}

const weights = (name: string, step: number) =>
  readFileSync(join(checkpointPath(join(folder.dir, name), step), 'model.safetensors'))

describe('GrpoTrainer', () => {
  it('gives the steps as they come, and the result', async () => {
    await using trainer = await GrpoTrainer.open(settings('steps'))
    const seen: number[] = []
    const steps = trainer.steps()
    let next = await steps.next()
    for (; !next.done; next = await steps.next()) seen.push(next.value.step)
    expect(seen).toEqual([1, 2, 3, 4])
    expect(next.value).toMatchObject({ stopped: false, state: { step: 4 } })
    expect(trainer.step).toBe(4)
  })

  it('stops with a checkpoint when the loop is left, and goes on to the bits of a run left alone', async () => {
    {
      await using trainer = await GrpoTrainer.open(settings('left'))
      for await (const { step } of trainer.steps()) if (step === 2) break
      expect(trainer.step).toBeGreaterThanOrEqual(2)
      expect(existsSync(checkpointPath(join(folder.dir, 'left'), trainer.step))).toBe(true)
    }
    {
      await using trainer = await GrpoTrainer.open(settings('left', { resume: true }))
      await trainer.train()
    }
    {
      await using whole = await GrpoTrainer.open(settings('whole'))
      await whole.train()
    }
    expect(weights('left', 4).equals(weights('whole', 4))).toBe(true)
  })

  it('takes rows of any format, functions as rewards, and held-out rows', async () => {
    const image = (await loadRows([join(folder.dir, 'data', 'train.jsonl')]))[0]!.images[0]!
    const rows = [1, 2, 3, 4].map((i) => ({ problem: `<image>How many? ${i}`, answer: String(i), images: [image] }))
    const rewards = [{ name: 'accuracy' }, ({ completionTokens }: RewardInput) => completionTokens, vowels] as const
    await using trainer = await GrpoTrainer.open(settings('rows', { train: rows, eval: rows.slice(0, 2), rewards }))
    expect((await trainer.evaluate()).rows).toBe(2)
    await trainer.train()
    const [first] = readMetrics(join(folder.dir, 'rows'))
    expect(Object.keys(first!).filter((name) => /^rewards\/.*mean/.test(name))).toEqual([
      ...['rewards/accuracy/mean', 'rewards/reward_2/mean', 'rewards/vowels/mean'],
    ])
  })

  it('refuses a second call at once, and what is no setting', async () => {
    await using trainer = await GrpoTrainer.open(settings('busy'))
    const first = trainer.train()
    expect(() => trainer.train()).toThrow('expected one call at a time')
    await first
    const wrong = { rollout: { groupSize: 0 } }
    await expect(GrpoTrainer.open(settings('wrong', { config: wrong }))).rejects.toThrow(/config rollout\.groupSize/)
    await expect(GrpoTrainer.open(settings('bare', { train: [{ what: 1 }] }))).rejects.toThrow(/train\[0\]/)
    expect(() => trainer.evaluate()).toThrow('expected held-out rows')
  })
})

it('two runs in two worker threads at once end with the bits of one alone', async () => {
  const code = `
    const { parentPort, workerData } = require('node:worker_threads')
    import(workerData.index).then(async ({ GrpoTrainer, defineReward }) => {
      const vowels = defineReward({ name: 'vowels', score: ({ completion }) => completion.split(/[aeiou]/).length })
      const trainer = await GrpoTrainer.open({ ...workerData.settings, rewards: [vowels] })
      await trainer.train()
      trainer.dispose()
    })`
  const train = (name: string) =>
    new Promise<void>((resolve, reject) => {
      const { rewards: _, ...plain } = settings(name)
      const workerData = { index: join(compiled, 'dist', 'index.js'), settings: plain }
      const worker = new Worker(code, { eval: true, workerData })
      worker.on('error', reject)
      worker.on('exit', (exit) => (exit === 0 ? resolve() : reject(new Error(`exit ${exit}`))))
    })
  await Promise.all([train('thread-a'), train('thread-b')])
  await using alone = await GrpoTrainer.open(settings('thread-alone'))
  await alone.train()
  for (const name of ['thread-a', 'thread-b']) expect(weights(name, 4).equals(weights('thread-alone', 4))).toBe(true)
})

/** Held by the type checker, not by running. */
it('types', () => {
  expectTypeOf<Awaited<ReturnType<typeof loadModel>>>().toEqualTypeOf<OpenModel>()
  expectTypeOf<OpenModel>().toExtend<Disposable>()
  expectTypeOf<GrpoTrainer>().toExtend<Disposable & AsyncDisposable>()
  expectTypeOf(vowels).toExtend<RewardChoice>()
  expectTypeOf<(input: RewardInput) => Promise<null>>().toExtend<RewardChoice>()
  expectTypeOf<(input: RewardInput) => string>().not.toExtend<RewardChoice>()
  expectTypeOf<ReturnType<GrpoTrainer['steps']>>().toEqualTypeOf<AsyncGenerator<MetricsRecord, TrainResult>>()
  // @ts-expect-error a section that does not exist
  const wrong: TrainerSettings['config'] = { optimiser: { lr: 1 } }
  // @ts-expect-error steps are required
  const bare: TrainerSettings = { model: 'm', dir: 'd', train: [] }
  expect([wrong, bare]).toHaveLength(2)
})
