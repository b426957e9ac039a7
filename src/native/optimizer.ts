/** AdamW on the device, over a model's trainable parameters. */

import { type NativeOptimizer, native } from './binding.ts'
import { nativeCall } from './call.ts'
import type { Model } from './model.ts'
import type { AdamWOptions, OptimizerStepInput, OptimizerStepOutput, TensorSink, TensorSource } from './types.ts'

/**
 * torch.optim.AdamW with `clip_grad_norm_` in front, and a guard: a non-finite gradient norm changes nothing.
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

  /** Parameters that are frozen now get no state. */
  static async create(model: Model, options: AdamWOptions): Promise<Optimizer> {
    return new Optimizer(new (native().Optimizer)(model.native, options))
  }

  /** Updates taken so far (skipped ones not counted). */
  get steps(): number {
    return this.native.steps
  }

  /** Clips, updates, zeroes the gradients. */
  step(input: OptimizerStepInput): Promise<OptimizerStepOutput> {
    return nativeCall(() => this.native.step(input))
  }

  /** State tensors are named `m.<parameter>` and `v.<parameter>`. */
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
