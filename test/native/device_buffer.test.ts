/** Kernels on device buffers against the same calls on typed arrays: on the emulated device (native/simt). */
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import * as kernels from '../../src/kernels.ts'
import type { PolicyLossInput } from '../../src/native/types.ts'
import { objectives, sample, title } from '../algorithms/samples.ts'

const emulated = fileURLToPath(new URL('../../build/emulated', import.meta.url))
if (existsSync(emulated)) process.env.RFT_PREBUILD = emulated

const { DeviceBuffer } = kernels
const isColumn = (x: unknown) => ArrayBuffer.isView(x)

/** The value with its typed arrays on the device. */
function put<T>(value: T): kernels.OnDevice<T> {
  const at = (x: unknown): unknown => {
    if (isColumn(x)) return DeviceBuffer.from(x as kernels.ColumnArray)
    if (x === null || typeof x !== 'object') return x
    if (Array.isArray(x)) return x.map(at)
    return Object.fromEntries(Object.entries(x).map(([key, own]) => [key, at(own)]))
  }
  return at(value) as kernels.OnDevice<T>
}

/** Results of both sides, as numbers. */
function expectSame(got: unknown, wanted: unknown, tolerance = 1e-6) {
  if (isColumn(wanted)) {
    const values = (got as kernels.DeviceBuffer).download()
    expect(values.constructor).toBe((wanted as Float32Array).constructor)
    for (const [i, w] of (wanted as Float32Array).entries())
      expect(Math.abs(values[i]! - w)).toBeLessThanOrEqual(tolerance * Math.max(1, Math.abs(w)))
  } else if (wanted === null) expect(got).toBe(null)
  else
    for (const [key, w] of Object.entries(wanted as object))
      expectSame((got as Record<string, unknown>)[key], w, tolerance)
}

const rewards = Float32Array.of(1, 0, 0.5, 0.25, Number.NaN, 1, 1)
const groups = Int32Array.of(3, 1, 3, 1, 3, 2, 2)

describe.skipIf(process.platform !== 'linux')('device buffers', () => {
  test('hold what was put there, and are freed once', () => {
    for (const values of [Float32Array.of(1, 2), Int32Array.of(-1), Uint8Array.of(7, 8, 9)]) {
      using buffer = DeviceBuffer.from<kernels.ColumnArray>(values)
      expect(buffer.length).toBe(values.length)
      expect(buffer.download()).toEqual(values)
    }
    const buffer = DeviceBuffer.allocate('f32', 3)
    expect(buffer.type).toBe('f32')
    expect(() => buffer.upload(Float32Array.of(1))).toThrow('device buffer upload: expected 3 values but received 1')
    expect(() => buffer.upload(Int32Array.of(1, 2, 3) as never)).toThrow('expected a Float32Array')
    buffer.dispose()
    buffer.dispose()
    expect(() => buffer.download()).toThrow('device buffer: expected a live one but received one that was disposed')
    expect(() => DeviceBuffer.allocate('f64' as never, 1)).toThrow('expected f32, i32 or u8 but received f64')
    expect(() => DeviceBuffer.allocate('u8', -1)).toThrow('elements from 0 but received -1')
  })

  test('advantages', () => {
    for (const rule of [
      { kind: 'group', scale: 'batch', eps: 1e-4 },
      { kind: 'rloo' },
      { kind: 'pass-at-k', eps: 0 },
      { kind: 'opo', lengths: Int32Array.of(3, 1, 2, 5, 1, 1, 4) },
      { kind: 'remax', baselines: Float32Array.of(0, 0, 1, Number.NaN, 0, 1, 0) },
    ] as const)
      expectSame(
        kernels.groupAdvantage(put(rewards), put(groups), put(rule)),
        kernels.groupAdvantage(rewards, groups, rule),
      )
    const two = Float32Array.of(...rewards, 0, 1, 2, 3, 4, 5, 6)
    const rule = { scale: 'group', eps: 1e-4 } as const
    const weights = Float32Array.of(1, 0.5)
    expectSame(kernels.gdpo(put(two), put(weights), put(groups), rule), kernels.gdpo(two, weights, groups, rule))
    const counts = Int32Array.of(1, 0, 2, 1, 0, 1, 3)
    expectSame(kernels.whiten(put(rewards), put(counts)), kernels.whiten(rewards, counts))
    const gae = {
      ...{ rewards: Float32Array.of(0, 1, 0, 2), values: Float32Array.of(0.1, 0.2, 0.3, 0.4) },
      ...{ mask: Uint8Array.of(1, 1, 0, 1), sequences: Int32Array.of(0, 3, 4) },
    }
    const options = { gamma: 0.9, lambda: 0.8 }
    expectSame(kernels.gae(put(gae), options), kernels.gae(gae, options))
  })

  test.each(objectives.map((loss) => ({ name: title(loss), loss })))('policyLoss $name', ({ loss }) => {
    const { logp, input } = sample(loss, [5, 1, 0, 40])
    expectSame(kernels.policyLoss(put(logp), put(input)), kernels.policyLoss(logp, input))
    const plain: PolicyLossInput = {
      ...{ loss, advantages: input.advantages, weights: input.weights, oldLogp: null, sequences: input.sequences! },
      kl: { refLogp: input.kl!.refLogp, coef: 0.05, estimator: 'k2', biasCorrected: false },
    }
    expectSame(kernels.policyLoss(put(logp), put(plain)), kernels.policyLoss(logp, plain))
  })

  test('kl and valueLoss', () => {
    const [logp, other] = [Float32Array.of(-1, -2, -30), Float32Array.of(-1.5, -1, -1)]
    for (const estimator of ['k1', 'k2', 'k3', 'k3-k2'] as const)
      expectSame(kernels.kl(put(logp), put(other), estimator), kernels.kl(logp, other, estimator))
    const input = { returns: other, oldValues: logp, weights: Float32Array.of(1, 0, 0.5), clip: 0.2 }
    expectSame(kernels.valueLoss(put(logp), put(input)), kernels.valueLoss(logp, input))
  })

  test('tensors, with their backward passes', async () => {
    const noise = (n: number, seed: number) => Float32Array.from({ length: n }, (_, i) => Math.sin(1.7 * i + seed))
    const [x, w] = [noise(24, 1), noise(8, 2)]
    const both = async <In extends unknown[], Out extends { output: object; backward(g: never): Promise<object> }>(
      run: kernels.Kernel<In, Promise<Out>>,
      args: In,
      gradients: Record<string, Float32Array>,
    ) => {
      const [wanted, got] = [await run(...args), await run(...put(args))]
      expectSame(got.output, wanted.output, 1e-5)
      expectSame(await got.backward(put(gradients) as never), await wanted.backward(gradients as never), 1e-5)
    }
    await both(kernels.rmsNorm, [x, w, { eps: 1e-6 }], { y: noise(24, 3) })
    await both(kernels.layerNorm, [x, w, noise(8, 4), { eps: 1e-6, gradients: ['x', 'b'] }], { y: noise(24, 3) })
    const targets = Int32Array.of(0, 4, 2)
    await both(kernels.tokenLogp as never, [x, noise(40, 5), targets, { temperature: 0.8 }], { logp: noise(3, 6) })
    const options = {
      ...{ heads: 2, kvHeads: 1, headDim: 16 },
      segments: [
        { qBegin: 0, qLen: 4, kv1Begin: 0, kv1Len: 4 },
        { qBegin: 4, qLen: 2, kv0Begin: 0, kv0Len: 4, kv1Begin: 4, kv1Len: 2 },
      ],
    }
    const [q, k, v] = [noise(6 * 32, 7), noise(6 * 16, 8), noise(6 * 16, 9)]
    await both(kernels.attention, [q, k, v, options], { out: noise(6 * 32, 10) })
    const state = () => [w.slice(), noise(8, 11), noise(8, 12), new Float32Array(8).fill(0.5)] as const
    const [host, device] = [state(), put(state())]
    kernels.adamw(...host, { step: 2, lr: 0.1 })
    kernels.adamw(...device, { step: 2, lr: 0.1 })
    expectSame(device, host)
    await expect(async () => kernels.rmsNorm(put(x) as never, w, { eps: 1e-6 })).rejects.toThrow(
      'w: expected a DeviceBuffer, as the others are',
    )
  })

  test('one call has columns of one kind, type and length', () => {
    const call = (a: unknown, b: unknown) => () => kernels.groupAdvantage(a as never, b as never, { kind: 'rloo' })
    expect(call(put(rewards), groups)).toThrow('groupIds: expected a DeviceBuffer, as the other columns are')
    expect(call(rewards, put(groups))).toThrow('groupIds: expected a typed array, as the others')
    expect(call(put(rewards), put(rewards))).toThrow('groupIds: expected a DeviceBuffer of type i32 but received F32')
    expect(call(put(rewards), put(Int32Array.of(1)))).toThrow('groupIds: expected 7 values but received 1')
    const gone = put(groups)
    gone.dispose()
    expect(call(put(rewards), gone)).toThrow('one that was disposed')
    expect(() => kernels.standardize(put(rewards) as never, { eps: 0, ddof: 1 })).toThrow('expected a Float32Array')
  })
})
