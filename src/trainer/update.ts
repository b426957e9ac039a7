/** What the two trainers share: the guarded optimizer step and the shape of a step's report. */

import type { Group } from '../core/types.ts'
import type { OptimizerStepInput, OptimizerStepOutput } from '../native/types.ts'
import type { Policy, PolicyOptimizer } from './policy.ts'
import type { Metrics } from './step_metrics.ts'

export interface StepReport {
  /** What was sampled and how it was judged; none in supervised training. */
  groups: Group[]
  /** (groups x G) */
  advantages: Float32Array
  metrics: Metrics
  /** Prompt tokens (once per prompt) and completion tokens of the step. */
  tokens: number
  /** The same with the prompt counted once per completion, which is what `num_tokens` of TRL adds up. */
  repeatedTokens: number
  /** Updates made, and those left out because their loss or gradient was not finite. */
  updates: number
  skippedUpdates: number
}

/** Applies the accumulated gradient, or drops it when the loss or the gradient norm is not finite. */
export async function applyUpdate(
  policy: Policy,
  optimizer: PolicyOptimizer,
  loss: number,
  input: OptimizerStepInput,
): Promise<OptimizerStepOutput> {
  if (Number.isFinite(loss)) return optimizer.step(input)
  await policy.zeroGrad()
  return { gradNorm: Number.NaN, skipped: true }
}
