/** The policy's updates of one step: every pass over every mini-batch, one optimizer update each. */

import type { MiniBatch, PolicyBatch } from './batch.ts'
import { choosesTokens, chooseTokens, policyLossInput } from './loss_columns.ts'
import { isOnPolicy } from './on_policy.ts'
import type { StepContext } from './step.ts'
import type { UpdateStats } from './step_metrics.ts'
import { applyUpdate } from './update.ts'

export async function updatePolicy(
  context: StepContext,
  miniBatches: readonly MiniBatch[],
  step: number,
  lr: number,
  stats: UpdateStats,
): Promise<void> {
  const { updatesPerRollout } = context.config.algorithm
  for (let pass = 0; pass < updatesPerRollout; pass++)
    for (const [m, miniBatch] of miniBatches.entries()) {
      const seed = (step * updatesPerRollout + pass) * miniBatches.length + m
      const batches = await withChosenTokens(context, miniBatch, seed)
      await update(context, { ...miniBatch, batches }, lr, stats)
    }
}

/** The present log-probs decide which tokens Clip-Cov and KL-Cov choose; on-policy those are the sampler's. */
async function withChosenTokens(context: StepContext, miniBatch: MiniBatch, seed: number): Promise<PolicyBatch[]> {
  const { algorithm } = context.config
  if (!choosesTokens(algorithm)) return miniBatch.batches
  const present: Float32Array[] = []
  for (const { pack, head, sampledLogp } of miniBatch.batches)
    present.push(
      isOnPolicy(context.config) && !miniBatch.offPolicy
        ? sampledLogp
        : (await context.policy.score(pack, head, { signal: context.signal })).logp,
    )
  return chooseTokens(miniBatch, present, algorithm, seed)
}

/** Accumulates the gradient of a mini-batch and applies it, unless something in it is not finite. */
async function update(context: StepContext, miniBatch: MiniBatch, lr: number, stats: UpdateStats): Promise<void> {
  const { config, policy, optimizer, controllers, signal } = context
  if (miniBatch.batches.length === 0) return
  const entropyCoef = controllers.entropyCoef()
  const settings = {
    algorithm: config.algorithm,
    onPolicy: isOnPolicy(config) && !miniBatch.offPolicy,
    entropyWeight: entropyCoef / Math.max(1, miniBatch.keptTokens),
  }
  let loss = 0
  for (const batch of miniBatch.batches) {
    const input = policyLossInput(batch, settings)
    const options = { recompute: config.model.recompute, signal }
    const output = await policy.forwardBackward(batch.pack, batch.head, { policy: input }, options)
    loss += stats.add(batch, input, output)
  }
  const result = await applyUpdate(policy, optimizer, loss, { lr, maxGradNorm: config.optimizer.maxGradNorm })
  stats.update(loss, result)
  if (controllers.usesEntropy) {
    controllers.sawEntropy(stats.takeEntropy())
    stats.entropyCoef = controllers.state.entropyCoef ?? config.algorithm.entropy.coef
  }
}
