/** Optimizer states and gradients of fewer bits: what they take, that they train as fp32 does, and that runs resume on them. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { readSafetensors } from '../../src/checkpoint/safetensors.ts'
import { type ConfigInput, configSchema } from '../../src/config/schema.ts'
import { readMetrics } from '../../src/metrics/jsonl.ts'
import { Model } from '../../src/native/model.ts'
import { Optimizer } from '../../src/native/optimizer.ts'
import type { AdamWOptions, ModelSpec } from '../../src/native/types.ts'
import { openRun } from '../../src/trainer/open.ts'
import { train } from '../../src/trainer/train.ts'
import { temporaryFolder } from './runs.ts'
import { tinyVlConfig, writeTinyVl } from './tiny_vl.ts'

const folder = temporaryFolder()
beforeAll(() => writeTinyVl(folder.dir))
afterAll(() => folder.remove())

type OptimizerInput = NonNullable<ConfigInput['optimizer']>
const runDir = (name: string) => join(folder.dir, name)
const config = (name: string, optimizer: OptimizerInput, input: Partial<ConfigInput> = {}) =>
  tinyVlConfig(folder.dir, runDir(name), {
    ...{ algorithm: { trainer: 'sft' }, eval: { atEnd: false }, optimizer: { lr: 3e-3, ...optimizer } },
    ...input,
    train: { steps: 6, batchSize: 8, ...input.train },
  })

const spec: ModelSpec = {
  vision: null,
  decoder: {
    ...{ vocab: 2048, hidden: 256, layers: 2, heads: 4, kvHeads: 2, headDim: 64, ffn: 512, rmsEps: 1e-6 },
    ...{ ropeTheta: 10000, qkvBias: true, qkNorm: false, tiedHead: true, mropeSection: null },
  },
}
const adamw: AdamWOptions = { beta1: 0.9, beta2: 0.999, eps: 1e-8, weightDecay: 0, noDecay: [] }

describe('memory measured in the pool, bytes a parameter', () => {
  test.each([
    ['f32', 8, 8],
    ['bf16', 4, 4],
    ['8bit', 2 + 8 / 256, 2.06], // norms and biases stay in fp32
  ] as const)('%s', async (state, least, most) => {
    using model = await Model.create(spec)
    const count = model.parameters().reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0)
    using optimizer = await Optimizer.create(model, { ...adamw, state, gradDtype: 'bf16' })
    await model.zeroGrad()
    model.resetPeak()
    const { optimizer: bytes, gradients } = model.memory()
    expect(bytes / count).toBeGreaterThanOrEqual(least)
    expect(bytes / count).toBeLessThan(most * 1.001)
    expect(gradients / count).toBeCloseTo(2, 3)
    const saved = optimizer.states().map(({ shape, dtype }) => shape.reduce((a, b) => a * b, widths[dtype]))
    expect(saved.reduce((a, b) => a + b) / bytes).toBeCloseTo(1, 3)
  })
})

const widths = { F32: 4, BF16: 2, U8: 1 }

const variants: [string, OptimizerInput][] = [
  ['bf16', { state: 'bf16' }],
  ['8bit', { state: '8bit' }],
  ['8bit, gradients in bf16', { state: '8bit', gradDtype: 'bf16' }],
]

describe('training', () => {
  const losses = (name: string) => readMetrics(runDir(name)).map(({ loss }) => loss!)
  const last = (values: number[]) => values.slice(-10).reduce((a, b) => a + b) / 10
  beforeAll(() => train(config('f32', {}, { train: { steps: 150 } })), 120_000)

  test.each(variants)(
    '%s: the loss falls as with fp32',
    async (name, optimizer) => {
      await train(config(`long ${name}`, optimizer, { train: { steps: 150 } }))
      const [exact, found] = [losses('f32'), losses(`long ${name}`)]
      expect(last(exact)).toBeLessThan(0.25 * exact[0]!)
      expect(found).not.toEqual(exact)
      expect(Math.abs(last(found) / last(exact) - 1)).toBeLessThan(0.1)
    },
    120_000,
  )
})

describe('checkpoints', () => {
  test.each(variants)('%s: a resumed run has the bits of one left alone', async (name, optimizer) => {
    await train(config(`whole ${name}`, optimizer))
    await train(config(`parts ${name}`, optimizer, { train: { steps: 3 } }))
    const { checkpoint } = await train(config(`parts ${name}`, optimizer), { resume: true })
    const whole = join(runDir(`whole ${name}`), 'checkpoints', 'step-6')
    for (const file of ['model.safetensors', 'optimizer.safetensors'])
      expect(readFileSync(join(checkpoint, file)).equals(readFileSync(join(whole, file))), file).toBe(true)
  })

  test('hold codes and scales', async () => {
    await train(config('codes', { state: '8bit' }))
    const file = join(runDir('codes'), 'checkpoints', 'step-6', 'optimizer.safetensors')
    const { tensors } = await readSafetensors(file)
    expect(tensors.get('v.decoder.embed.weight')).toMatchObject({ dtype: 'U8', shape: [320, 32] })
    expect(tensors.get('v_scales.decoder.embed.weight')).toMatchObject({ dtype: 'F32', shape: [40] })
    expect(tensors.get('m.decoder.norm.weight')).toMatchObject({ dtype: 'F32' })
  })

  test('are refused by other states', async () => {
    await train(config('other', {}))
    await expect(openRun(config('other', { state: '8bit' }), { resume: true })).rejects.toThrow(
      /optimizer.safetensors tensor "m.*expected U8 but received "F32"\. Resume with the optimizer.state/s,
    )
  })
})

describe('settings that do not fit', () => {
  test('stochastic rounding of fp32 weights', async () => {
    await expect(openRun(config('rounded', { stochasticRounding: true, lr: 1 }))).rejects.toThrow(
      'optimizer.stochasticRounding: expected false but received true. The weights are in f32 here',
    )
    const input = { ...config('rounded', { stochasticRounding: true }), model: { path: 'x', dtype: 'f32' as const } }
    expect(() => configSchema.parse(input)).toThrow('false while model.dtype is f32')
  })

  test('bf16 weights on the CPU', async () => {
    const input = config(
      'bf16 weights',
      {},
      { model: { path: join(folder.dir, 'model'), dtype: 'bf16' }, device: 'cpu' },
    )
    await expect(openRun(input)).rejects.toThrow('model.dtype: expected f32 on the CPU but received "bf16"')
  })
})
