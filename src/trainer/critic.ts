/**
 * The critic of PPO: the value of a completion before each of its tokens. Either a second model with a value head and an
 * optimizer of its own, or a value head on the policy, which then learns both at once.
 */
import { explainedVariance } from '../algorithms/index.ts'
import type { Config } from '../config/schema.ts'
import type {
  ForwardBackwardOutput,
  HeadRows,
  LossInput,
  Pack,
  ValueLossInput,
  ValueLossSums,
} from '../native/types.ts'
import type { MiniBatch, PolicyBatch } from './batch.ts'
import type { PolicyOptimizer } from './policy.ts'
import { type Metrics, mean } from './step_metrics.ts'

interface CallOptions {
  recompute?: boolean
  signal?: AbortSignal
}

/** What a critic needs of a model with a value head. */
export interface ValueModel {
  values(pack: Pack, rows: Int32Array, options?: CallOptions): Promise<Float32Array>
  forwardBackward(pack: Pack, head: HeadRows, loss: LossInput, options?: CallOptions): Promise<ForwardBackwardOutput>
  zeroGrad(): Promise<void>
}

export interface Critic {
  model: ValueModel
  /** `null` = the value head is on the policy and learns with it. */
  optimizer: PolicyOptimizer | null
}

/** Columns of the value loss; its weights make a mean over the trained tokens of the mini-batch, times `coef`. */
export function valueLossInput(batch: PolicyBatch, tokens: number, coef: number, clip: number): ValueLossInput {
  return {
    ...{ returns: batch.returns!, oldValues: batch.values!, clip },
    weights: batch.weights.map((w) => (w > 0 ? coef / Math.max(1, tokens) : 0)),
  }
}

/** One update of a critic of its own. */
export async function updateCritic(
  critic: Critic,
  miniBatch: MiniBatch,
  config: Config,
  lr: number,
  stats: CriticStats,
  signal?: AbortSignal,
): Promise<void> {
  if (!critic.optimizer || miniBatch.batches.length === 0) return
  let loss = 0
  for (const batch of miniBatch.batches) {
    const value = valueLossInput(batch, miniBatch.tokens, 1, config.algorithm.critic.valueClip)
    const options = { recompute: config.model.recompute, signal }
    const output = await critic.model.forwardBackward(batch.pack, batch.head, { value }, options)
    loss += stats.add(output.value!)
  }
  if (!Number.isFinite(loss)) return critic.model.zeroGrad()
  stats.update(await critic.optimizer.step({ lr, maxGradNorm: config.optimizer.maxGradNorm }))
}

/** Adds up what the value losses of a step report. */
export class CriticStats {
  private loss = 0
  private clipped = 0
  private tokens = 0
  private readonly gradNorms: number[] = []

  /** @returns the weighted loss of the micro-batch. */
  add({ weighted, loss, clipped, rows }: ValueLossSums): number {
    this.loss += loss
    this.clipped += clipped
    this.tokens += rows
    return weighted
  }

  update({ gradNorm }: { gradNorm: number }): void {
    this.gradNorms.push(gradNorm)
  }

  /** @param values of the rollout, which the first update starts from. */
  metrics(values: readonly Float32Array[], returns: readonly Float32Array[], lr: number): Metrics {
    const [v, r] = [values, returns].map((columns) => columns.flatMap((column) => Array.from(column)))
    return {
      'loss/value_avg': this.loss / Math.max(1, this.tokens),
      'val/clipfrac_avg': this.clipped / Math.max(1, this.tokens),
      'critic/values/mean': mean(v!),
      'critic/returns/mean': mean(r!),
      'critic/vf_explained_var': explainedVariance(v!, r!),
      'critic/lr': lr,
      ...(this.gradNorms.length > 0 ? { 'critic/grad_norm': mean(this.gradNorms) } : {}),
    }
  }
}
