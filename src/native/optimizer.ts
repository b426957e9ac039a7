/** AdamW on the device, over a model's trainable parameters. */

import { type NativeOptimizer, native } from './binding.ts'
import { nativeCall } from './call.ts'
import type { Model } from './model.ts'
import type {
  AdamWOptions,
  OptimizerStepInput,
  OptimizerStepOutput,
  StateTensor,
  TensorSink,
  TensorSource,
} from './types.ts'

/**
 * torch.optim.AdamW with `clip_grad_norm_` in front, and a guard: a non-finite gradient norm changes nothing.
 *
 * Moments are stored as fp32, as bf16 rounded stochastically, or as 8-bit codes with a scale for each 256 elements
 * (block-wise dynamic quantisation, Dettmers et al. 2022); parameters under 4096 elements keep fp32 ones.
 *
 * @example
 * const optimizer = await Optimizer.create(model, { beta1: 0.9, beta2: 0.999, eps: 1e-8, weightDecay: 0, noDecay: [] })
 * const { gradNorm, skipped } = await optimizer.step({ lr: 1e-6, maxGradNorm: 1 })
 */
export class Optimizer implements Disposable {
  readonly native: NativeOptimizer

  private constructor(handle: NativeOptimizer) {
    this.native = handle
  }

  /**
   * Parameters that are frozen now get no state. The model keeps its gradients as `gradDtype` from here on.
   *
   * @throws Error for `stochasticRounding` of fp32 weights, and for `offload` on the CPU.
   */
  static async create(model: Model, options: AdamWOptions): Promise<Optimizer> {
    return new Optimizer(new (native().Optimizer)(model.native, options))
  }

  /** Updates taken so far (skipped ones not counted). */
  get steps(): number {
    return this.native.steps
  }

  /** Bytes of pinned host memory that its state takes; 0 where the state is on the model's device. */
  get offloaded(): number {
    return this.native.offloaded
  }

  /** Clips, updates, zeroes the gradients. */
  step(input: OptimizerStepInput): Promise<OptimizerStepOutput> {
    return nativeCall(() => this.native.step(input))
  }

  /** Everything that `save` writes and `load` reads, in a fixed order. */
  states(): StateTensor[] {
    return this.native.states()
  }

  save(file: string, header: Uint8Array, sinks: TensorSink[]): Promise<void> {
    return nativeCall(() => this.native.save(file, header, sinks))
  }

  load(sources: TensorSource[], steps: number): Promise<void> {
    return nativeCall(() => this.native.load(sources, steps))
  }

  dispose(): void {
    this.native.dispose()
  }

  [Symbol.dispose](): void {
    this.dispose()
  }
}
