/** What the trainers need of a model and of an optimizer; `Model` and `Optimizer` of src/native have it. */

import type {
  ForwardBackwardOutput,
  ForwardOptions,
  HeadRows,
  LossInput,
  OptimizerStepInput,
  OptimizerStepOutput,
  Pack,
  ScoreOutput,
} from '../native/types.ts'
import type { Generator } from '../rollout/collect.ts'

type CallOptions = ForwardOptions & { signal?: AbortSignal }

export interface Scorer {
  score(pack: Pack, head: HeadRows, options?: CallOptions): Promise<ScoreOutput>
  /** Its weights leave the device until it scores again. */
  offload?(): Promise<void>
}

/** The reference of a KL term; one that follows the policy can be mixed with it. */
export interface Reference extends Scorer {
  mixFrom?(policy: Policy, share: number): Promise<void>
}

export interface Policy extends Generator, Scorer {
  /** Adds this pack's gradient to what is already there. */
  forwardBackward(pack: Pack, head: HeadRows, loss: LossInput, options?: CallOptions): Promise<ForwardBackwardOutput>
  zeroGrad(): Promise<void>
  /** Called before the training passes of a step; what is random in them follows from the step. */
  beginStep?(step: number): void
}

export interface PolicyOptimizer {
  /** Applies the gradients and zeroes them. */
  step(input: OptimizerStepInput): Promise<OptimizerStepOutput>
}
