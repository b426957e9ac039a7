/**
 * The heavy kernels, for other trainers: forward off the event loop, and its backward on request. All are row-major fp32.
 * Typed arrays are copied when a function is called, so the caller may reuse them at once. Device buffers
 * (./device_buffer.ts) are not: they must stay unchanged until the backward pass has run.
 */

import { type KernelCall, type KernelOutput, native } from './binding.ts'
import { nativeCall } from './call.ts'
import { kernel } from './device_buffer.ts'

/** Gradients to compute; default: all inputs that have one. Leaving some out saves their work and memory. */
export interface Wanted<Input extends string> {
  gradients?: readonly Input[]
}

/**
 * The result of a kernel and its backward pass, which runs once. Without it what was kept is freed with the object.
 */
export interface Differentiable<Output extends string, Input extends string> {
  output: Record<Output, Float32Array>
  /**
   * @param gradients of the loss with respect to the outputs; one left out counts as 0
   * @returns gradients with respect to the inputs that were wanted
   * @throws when it is called twice or a length is wrong
   */
  backward(gradients: Partial<Record<Output, Float32Array>>): Promise<Record<Input, Float32Array | null>>
}

async function differentiable<O extends string, I extends string>(
  outputs: readonly O[],
  inputs: readonly I[],
  { gradients = inputs }: Wanted<I>,
  call: (wanted: boolean[]) => Promise<KernelOutput>,
): Promise<Differentiable<O, I>> {
  const made = await nativeCall(() => call(inputs.map((name) => gradients.includes(name))))
  const handle: KernelCall = made.call
  return {
    output: named(outputs, made.outputs),
    backward: async (given) => {
      const list = outputs.map((name) => given[name] ?? null)
      return named(inputs, await nativeCall(() => native().kernelBackward(handle, list)))
    },
  }
}

function named<K extends string, T>(names: readonly K[], values: readonly T[]): Record<K, T> {
  return Object.fromEntries(names.map((name, i) => [name, values[i]])) as Record<K, T>
}

/**
 * y = x / sqrt(mean(x^2) + eps) * w (Zhang and Sennrich 2019). x (T, C), w (C) -> y (T, C).
 *
 * @example
 * const { output, backward } = await rmsNorm(x, w, { eps: 1e-6 })
 * const { x: dx, w: dw } = await backward({ y: dy })
 */
export const rmsNorm = kernel((x: Float32Array, w: Float32Array, options: { eps: number } & Wanted<'x' | 'w'>) =>
  differentiable(['y'], ['x', 'w'], options, (wanted) => native().rmsNorm(x, w, options.eps, wanted)),
)

/** y = (x - mean) / sqrt(var + eps) * w + b. x (T, C), w and b (C) -> y (T, C). */
export const layerNorm = kernel(
  (x: Float32Array, w: Float32Array, b: Float32Array, options: { eps: number } & Wanted<'x' | 'w' | 'b'>) =>
    differentiable(['y'], ['x', 'w', 'b'], options, (wanted) => native().layerNorm(x, w, b, options.eps, wanted)),
)

/** One query range and the two key ranges it sees; rows of q, and of k and v. */
export interface AttentionSegment {
  qBegin: number
  qLen: number
  /** Fully visible keys: a shared prompt. Default none. */
  kv0Begin?: number
  kv0Len?: number
  /** The segment's own keys. */
  kv1Begin: number
  kv1Len: number
  /** Query i sees the first kv1Len - qLen + i + 1 of its own keys. Default true. */
  causal?: boolean
}

export interface AttentionOptions extends Wanted<'q' | 'k' | 'v'> {
  heads: number
  /** Key and value heads; each serves heads / kvHeads query heads. Default heads. */
  kvHeads?: number
  headDim: number
  /** Default 1 / sqrt(headDim). */
  scale?: number
  segments: readonly AttentionSegment[]
}

/**
 * Softmax attention over packed sequences, with grouped heads and prompts shared by several completions.
 * q (T, heads * headDim), k and v (Tk, kvHeads * headDim) -> out (T, heads * headDim); rows outside all segments give 0.
 *
 * @throws when a segment leaves the arrays or two segments share a query.
 * @example
 * // one prompt of 100 tokens, two completions of 20 that share its keys
 * const segments = [
 *   { qBegin: 0, qLen: 100, kv1Begin: 0, kv1Len: 100 },
 *   { qBegin: 100, qLen: 20, kv0Begin: 0, kv0Len: 100, kv1Begin: 100, kv1Len: 20 },
 *   { qBegin: 120, qLen: 20, kv0Begin: 0, kv0Len: 100, kv1Begin: 120, kv1Len: 20 },
 * ]
 * const { output, backward } = await attention(q, k, v, { heads: 8, kvHeads: 2, headDim: 64, segments })
 */
export const attention = kernel((q: Float32Array, k: Float32Array, v: Float32Array, options: AttentionOptions) => {
  const { heads, kvHeads = heads, headDim, scale = 1 / Math.sqrt(headDim) } = options
  const segments = Int32Array.from(
    options.segments.flatMap((s) => [
      ...[s.qBegin, s.qLen, s.kv0Begin ?? 0, s.kv0Len ?? 0],
      ...[s.kv1Begin, s.kv1Len, s.causal === false ? 0 : 1],
    ]),
  )
  const native_ = { heads, kvHeads, headDim, scale, segments }
  return differentiable(['out'], ['q', 'k', 'v'], options, (wanted) => native().attention(q, k, v, native_, wanted))
})

/**
 * The fused head: log-prob of each target and entropy of softmax(x w^T / temperature), natural log. The logits are never
 * stored for all rows. x (N, C), w (V, C), targets (N) -> logp and entropy (N).
 *
 * @throws for a target outside the vocabulary.
 * @example
 * const { output, backward } = await tokenLogp(hidden, head, targets, { temperature: 1 })
 * const { x: dHidden } = await backward({ logp: dlogp })
 */
export const tokenLogp = kernel(
  (
    x: Float32Array,
    w: Float32Array,
    targets: Int32Array,
    options: { temperature?: number } & Wanted<'x' | 'w'> = {},
  ) => {
    const { temperature = 1 } = options
    return differentiable(['logp', 'entropy'], ['x', 'w'], options, (wanted) =>
      native().tokenLogp(x, w, targets, temperature, wanted),
    )
  },
)

export interface AdamWStep {
  /** 1 for the first. */
  step: number
  lr: number
  beta1?: number
  beta2?: number
  eps?: number
  weightDecay?: number
  /** Gradients are multiplied by it first: the clip coefficient. Default 1. */
  gradScale?: number
}

/**
 * One step of torch.optim.AdamW in place, on the calling thread. All arrays (n); m and v are 0 before the first step.
 *
 * @throws when lengths differ.
 */
export const adamw = kernel(
  (
    parameter: Float32Array,
    gradient: Float32Array,
    m: Float32Array,
    v: Float32Array,
    { step, lr, beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weightDecay = 0.01, gradScale = 1 }: AdamWStep,
  ): void => native().adamw(parameter, gradient, m, v, step, { lr, beta1, beta2, eps, weightDecay, gradScale }),
)
