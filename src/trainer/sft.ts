/** One step of supervised fine-tuning: imitate the target of each row. */

import { aggregationWeights } from '../algorithms/index.ts'
import type { Config } from '../config/schema.ts'
import type { Prompt } from '../core/types.ts'
import { Phases } from '../metrics/phases.ts'
import { packGroups, spread } from '../rollout/pack.ts'
import type { Policy, PolicyOptimizer } from './policy.ts'
import { mean } from './step_metrics.ts'
import { applyUpdate, type StepReport } from './update.ts'

export interface SftContext {
  config: Config
  policy: Policy
  optimizer: PolicyOptimizer
  merge: number
  signal?: AbortSignal
}

/** A prompt and the tokens to imitate, end-of-sequence included. */
export interface Example {
  prompt: Prompt
  target: Int32Array
}

/** loss = -sum_i w_i logp_i over the target tokens, with w by `algorithm.loss.aggregation`. */
export async function sftStep(context: SftContext, examples: readonly Example[], lr: number): Promise<StepReport> {
  const { config, policy, optimizer, merge, signal } = context
  const phases = new Phases()
  const weights = aggregationWeights(
    examples.map((e) => e.target.length),
    { mode: config.algorithm.loss.aggregation, fixedLength: config.rollout.maxNewTokens },
  )
  const batches = await phases.time('pack', () =>
    packGroups(
      examples.map(({ prompt, target }) => ({ prompt, completions: [target] })),
      { tokenBudget: config.train.tokensPerMicroBatch, temperature: 1, merge },
    ),
  )
  let loss = 0
  const entropies: number[] = []
  const result = await phases.time('update', async () => {
    for (const batch of batches) {
      const dlogp = spread(batch, (c) => -weights[c.group]!)
      const options = { recompute: config.model.recompute, signal }
      const { logp, entropy } = await policy.forwardBackward(batch.pack, batch.head, { dlogp }, options)
      for (const [i, weight] of dlogp.entries()) loss += weight * logp[i]!
      entropies.push(...entropy)
    }
    return applyUpdate(policy, optimizer, loss, { lr, maxGradNorm: config.optimizer.maxGradNorm })
  })
  const tokens = examples.reduce((sum, e) => sum + e.prompt.tokens.length + e.target.length, 0)
  return {
    groups: [],
    advantages: new Float32Array(),
    tokens,
    repeatedTokens: tokens,
    updates: result.skipped ? 0 : 1,
    skippedUpdates: result.skipped ? 1 : 0,
    metrics: {
      loss,
      grad_norm: result.gradNorm,
      entropy: mean(entropies),
      learning_rate: lr,
      skipped_updates: result.skipped ? 1 : 0,
      ...phases.take(),
    },
  }
}
