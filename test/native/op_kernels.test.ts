/** The kernels that other trainers import, against plain loops in double and finite differences. */
import { expect, test } from 'vitest'
import { native } from '../../src/native/binding.ts'
import { DeviceBuffer } from '../../src/native/device_buffer.ts'
import { adamw, attention, layerNorm, rmsNorm, tokenLogp } from '../../src/native/op_kernels.ts'

const noise = (n: number, seed: number) =>
  Float32Array.from({ length: n }, (_, i) => Math.sin(i * 1.7 + seed * 0.9) * 1.2)

type Formula = (inputs: Float32Array[]) => number[]

/** |a - b| at its largest. */
const distance = (a: ArrayLike<number>, b: ArrayLike<number>) =>
  Math.max(...Array.from(a, (value, i) => Math.abs(value - b[i]!)))

/** d(sum of weight * output) / d(input), by central differences of the formula in double. */
function slopes(formula: Formula, inputs: Float32Array[], which: number, weights: ArrayLike<number>): number[] {
  const step = 1 / 256
  const total = (delta: number, at: number) => {
    const moved = inputs.map((x, i) => (i === which ? x.map((v, j) => (j === at ? v + delta : v)) : x))
    return formula(moved).reduce((sum, y, i) => sum + y * weights[i]!, 0)
  }
  return Array.from(inputs[which]!, (_, at) => (total(step, at) - total(-step, at)) / (2 * step))
}

const [T, C] = [3, 5]
const rms: Formula = ([x, w]) =>
  Array.from(x!, (value, i) => {
    const row = x!.slice(Math.floor(i / C) * C, Math.floor(i / C) * C + C)
    return (value / Math.sqrt(row.reduce((sum, v) => sum + v * v, 0) / C + 1e-6)) * w![i % C]!
  })
const layer: Formula = ([x, w, b]) =>
  Array.from(x!, (value, i) => {
    const row = x!.slice(Math.floor(i / C) * C, Math.floor(i / C) * C + C)
    const mean = row.reduce((a, v) => a + v, 0) / C
    const variance = row.reduce((a, v) => a + (v - mean) ** 2, 0) / C
    return ((value - mean) / Math.sqrt(variance + 1e-5)) * w![i % C]! + b![i % C]!
  })

test('rmsNorm and its gradients', async () => {
  const inputs = [noise(T * C, 1), noise(C, 2)]
  const { output, backward } = await rmsNorm(inputs[0]!, inputs[1]!, { eps: 1e-6 })
  expect(distance(output.y, rms(inputs))).toBeLessThan(1e-5)
  const dy = noise(T * C, 3)
  const gradients = await backward({ y: dy })
  expect(distance(gradients.x!, slopes(rms, inputs, 0, dy))).toBeLessThan(2e-3)
  expect(distance(gradients.w!, slopes(rms, inputs, 1, dy))).toBeLessThan(2e-3)
  await expect(backward({ y: dy })).rejects.toThrow('expected a call with a backward pass that has not run')
})

test('layerNorm and its gradients; unwanted ones are not computed', async () => {
  const inputs = [noise(T * C, 4), noise(C, 5), noise(C, 6)] as const
  const { output, backward } = await layerNorm(...inputs, { eps: 1e-5, gradients: ['x', 'b'] })
  expect(distance(output.y, layer([...inputs]))).toBeLessThan(1e-5)
  const dy = noise(T * C, 7)
  const gradients = await backward({ y: dy })
  expect(gradients.w).toBeNull()
  expect(distance(gradients.x!, slopes(layer, [...inputs], 0, dy))).toBeLessThan(2e-3)
  expect(distance(gradients.b!, slopes(layer, [...inputs], 2, dy))).toBeLessThan(2e-3)
})

/** Prompt of 2 and two completions of 2 that share its keys; 2 heads on 1 key head of 3 values. */
const heads = { heads: 2, kvHeads: 1, headDim: 3 }
const segments = [
  { qBegin: 0, qLen: 2, kv1Begin: 0, kv1Len: 2 },
  { qBegin: 2, qLen: 2, kv0Begin: 0, kv0Len: 2, kv1Begin: 2, kv1Len: 2 },
  { qBegin: 4, qLen: 2, kv0Begin: 0, kv0Len: 2, kv1Begin: 4, kv1Len: 2 },
]
const visible = [[0], [0, 1], [0, 1, 2], [0, 1, 2, 3], [0, 1, 4], [0, 1, 4, 5]]
const attend: Formula = ([q, k, v]) =>
  visible.flatMap((keys, t) =>
    [0, 1].flatMap((h) => {
      const dot = (j: number) => [0, 1, 2].reduce((sum, d) => sum + q![t * 6 + h * 3 + d]! * k![j * 3 + d]!, 0)
      const weights = keys.map((j) => Math.exp(dot(j) / Math.sqrt(3)))
      const sum = weights.reduce((a, b) => a + b, 0)
      return [0, 1, 2].map((d) => keys.reduce((y, j, i) => y + (weights[i]! / sum) * v![j * 3 + d]!, 0))
    }),
  )

test('attention over a shared prompt and its gradients', async () => {
  const inputs = [noise(36, 1), noise(18, 2), noise(18, 3)] as const
  const { output, backward } = await attention(...inputs, { ...heads, segments })
  expect(distance(output.out, attend([...inputs]))).toBeLessThan(1e-5)
  const dOut = noise(36, 4)
  const gradients = await backward({ out: dOut })
  for (const [i, name] of (['q', 'k', 'v'] as const).entries())
    expect(distance(gradients[name]!, slopes(attend, [...inputs], i, dOut)), name).toBeLessThan(2e-3)
  const outside = { qBegin: 0, qLen: 7, kv1Begin: 0, kv1Len: 7 }
  await expect(attention(...inputs, { ...heads, segments: [outside] })).rejects.toThrow(/attention segment 0/)
})

const targets = Int32Array.of(6, 0, 3)
const head: Formula = ([x, w]) => {
  const rows = Array.from(targets, (target, n) => {
    const z = Array.from(
      { length: 7 },
      (_, j) => [0, 1, 2, 3, 4].reduce((s, c) => s + x![n * C + c]! * w![j * C + c]!, 0) / 0.7,
    )
    const lse = Math.log(z.reduce((sum, value) => sum + Math.exp(value), 0))
    const p = z.map((value) => Math.exp(value - lse))
    return [z[target]! - lse, p.reduce((h, value, j) => h - value * (z[j]! - lse), 0)]
  })
  return [...rows.map(([logp]) => logp!), ...rows.map(([, entropy]) => entropy!)]
}

test('tokenLogp, entropy and their gradients', async () => {
  const inputs = [noise(3 * C, 8), noise(7 * C, 9)] as const
  const { output, backward } = await tokenLogp(...inputs, targets, { temperature: 0.7 })
  expect(distance([...output.logp, ...output.entropy], head([...inputs]))).toBeLessThan(1e-5)
  const [dlogp, dentropy] = [noise(3, 1), noise(3, 2)]
  const gradients = await backward({ logp: dlogp, entropy: dentropy })
  const weights = [...dlogp, ...dentropy]
  expect(distance(gradients.x!, slopes(head, [...inputs], 0, weights))).toBeLessThan(2e-3)
  expect(distance(gradients.w!, slopes(head, [...inputs], 1, weights))).toBeLessThan(2e-3)
  await expect(tokenLogp(...inputs, Int32Array.of(0, 7, 1))).rejects.toThrow(/expected/)
})

test('adamw in place', () => {
  const [p, g, m, v] = [Float32Array.of(1, -2), Float32Array.of(0.5, 0.25), new Float32Array(2), new Float32Array(2)]
  adamw(p, g, m, v, { step: 1, lr: 0.1, weightDecay: 0.5 })
  // the first step moves by lr against the sign of the gradient, behind the decay
  expect(distance(p, [1 * 0.95 - 0.1, -2 * 0.95 - 0.1])).toBeLessThan(1e-6)
  expect(() => adamw(p, new Float32Array(3), m, v, { step: 2, lr: 0.1 })).toThrow('gradient: expected 2 values')
})

test('wrong arrays are refused with their name', async () => {
  await expect(rmsNorm(noise(7, 1), noise(C, 1), { eps: 1e-6 })).rejects.toThrow('x: expected rows of 5 values')
  await expect(layerNorm(noise(5, 1), noise(5, 1), noise(4, 1), { eps: 1e-6 })).rejects.toThrow('b: expected 5 values')
})

test.skipIf(native().info().cuda.available)('without a device there are no device buffers', () => {
  expect(() => DeviceBuffer.allocate('f32', 4)).toThrow(/^cuda: .*\w{3}/)
  expect(() => DeviceBuffer.from(Int32Array.of(1))).toThrow(/^cuda: /)
})
