/** The policy's updates of one step: every pass over every mini-batch, one optimizer update each. */

import { learningRate } from '../algorithms/index.ts'
import type { Config } from '../config/schema.ts'
import type { MiniBatch, PolicyBatch } from './batch.ts'
import { updateCritic, valueLossInput } from './critic.ts'
import { choosesTokens, chooseTokens, type LossSettings, policyLossInput } from './loss_columns.ts'
import { isOnPolicy } from './on_policy.ts'
import type { StepContext } from './step.ts'
import type { UpdateStats } from './step_metrics.ts'
import { applyUpdate } from './update.ts'

/** Where in the run these updates are, and the learning rate of the policy. */
interface Place {
  step: number
  lr: number
}

/** The critic first, then the policy, unless the critic is still warming up. */
export async function updateAll(
  context: StepContext,
  miniBatches: readonly MiniBatch[],
  { step, lr }: Place,
  stats: UpdateStats,
): Promise<void> {
  const { config, critic } = context
  const { updatesPerRollout } = config.algorithm
  const isWarmUp = critic !== null && step < config.algorithm.critic.warmupSteps
  for (let pass = 0; pass < updatesPerRollout; pass++)
    for (const [m, miniBatch] of miniBatches.entries()) {
      if (critic) await updateCritic(critic, miniBatch, config, criticLr(config, step), stats.critic, context.signal)
      if (isWarmUp && critic.optimizer) continue
      const seed = (step * updatesPerRollout + pass) * miniBatches.length + m
      const batches = isWarmUp ? miniBatch.batches : await withChosenTokens(context, miniBatch, seed)
      await update(context, { ...miniBatch, batches }, lr, stats, isWarmUp)
    }
}

/** Learning rate of the critic: the schedule of the policy over a peak of its own. */
export function criticLr({ algorithm, optimizer, train }: Config, step: number): number {
  return learningRate(step, {
    kind: optimizer.schedule,
    base: algorithm.critic.lr,
    warmupSteps: optimizer.warmupSteps,
    totalSteps: train.steps,
    minRatio: optimizer.minLrRatio,
  })
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

/**
 * Accumulates the gradient of a mini-batch and applies it, unless something in it is not finite.
 *
 * @param valueOnly the value head on the policy learns alone.
 */
async function update(
  context: StepContext,
  miniBatch: MiniBatch,
  lr: number,
  stats: UpdateStats,
  valueOnly: boolean,
): Promise<void> {
  const { config, policy, optimizer, controllers } = context
  if (miniBatch.batches.length === 0) return
  const settings = {
    algorithm: config.algorithm,
    onPolicy: isOnPolicy(config) && !miniBatch.offPolicy,
    entropyWeight: controllers.entropyCoef() / Math.max(1, miniBatch.keptTokens),
  }
  let loss = 0
  for (const batch of miniBatch.batches) loss += await accumulate(context, batch, miniBatch, settings, stats, valueOnly)
  const result = await applyUpdate(policy, optimizer, loss, { lr, maxGradNorm: config.optimizer.maxGradNorm })
  stats.update(loss, result)
  if (!controllers.usesEntropy || valueOnly) return
  controllers.sawEntropy(stats.takeEntropy())
  stats.entropyCoef = controllers.state.entropyCoef ?? config.algorithm.entropy.coef
}

/** @returns the loss of one micro-batch. */
async function accumulate(
  { config, policy, critic, signal }: StepContext,
  batch: PolicyBatch,
  { tokens }: MiniBatch,
  settings: LossSettings,
  stats: UpdateStats,
  valueOnly: boolean,
): Promise<number> {
  const { coef, valueClip } = config.algorithm.critic
  const input = policyLossInput(batch, settings)
  const isShared = critic !== null && critic.optimizer === null
  const value = isShared ? valueLossInput(batch, tokens, coef, valueClip) : null
  const options = { recompute: config.model.recompute, signal }
  const loss = value ? (valueOnly ? { value } : { policy: input, value }) : { policy: input }
  const output = await policy.forwardBackward(batch.pack, batch.head, loss, options)
  return (output.policy ? stats.add(batch, output.policy) : 0) + (output.value ? stats.critic.add(output.value) : 0)
}
