/** What the native policy loss is given for one micro-batch. */

import { covariances, largestCovariances, losses, sampledCovariances } from '../algorithms/index.ts'
import type { AlgorithmConfig } from '../config/algorithm.ts'
import type { PolicyLossInput } from '../native/types.ts'
import type { MiniBatch, PolicyBatch } from './batch.ts'

export interface LossSettings {
  algorithm: AlgorithmConfig
  /** No update lies between sampling and this one: every ratio is 1. */
  onPolicy: boolean
  /** Weight of the entropy bonus per token that has a policy loss; 0 = none. */
  entropyWeight: number
}

export function policyLossInput(batch: PolicyBatch, { algorithm, onPolicy, entropyWeight }: LossSettings) {
  const { kl, loss, offPolicyThreshold } = algorithm
  const input: PolicyLossInput = {
    loss,
    ...{ advantages: batch.advantages, weights: batch.weights, oldLogp: onPolicy ? null : batch.oldLogp },
    kl:
      batch.refLogp && batch.klCoef
        ? {
            ...{ refLogp: batch.refLogp, coef: batch.klCoef },
            ...{ estimator: kl.estimator, biasCorrected: kl.biasCorrected },
          }
        : null,
    ...{ importance: batch.importance, keep: batch.keep, selected: batch.selected, sequences: batch.sequences },
    ...{ sampledLogp: batch.sampledLogp, offPolicyThreshold },
    entropyWeights:
      entropyWeight === 0
        ? null
        : batch.weights.map((w, i) => (w > 0 && (batch.keep?.[i] ?? 1) > 0 ? -entropyWeight : 0)),
  }
  return input
}

/** Whether the loss chooses tokens by their covariance in the mini-batch. */
export const choosesTokens = ({ loss }: AlgorithmConfig) => loss.kind === 'clip-cov' || loss.kind === 'kl-cov'

/**
 * Marks the tokens that Clip-Cov drops or KL-Cov charges, over the whole mini-batch.
 *
 * @param logp per micro-batch, the present log-probs.
 */
export function chooseTokens(
  { batches }: MiniBatch,
  logp: readonly Float32Array[],
  { loss }: AlgorithmConfig,
  seed: number,
): PolicyBatch[] {
  if (loss.kind !== 'clip-cov' && loss.kind !== 'kl-cov') return batches
  const rows = batches.flatMap(({ weights }, m) => Array.from(weights, (w, i) => ({ m, i, w }))).filter((r) => r.w > 0)
  const present = rows.map(({ m, i }) => logp[m]![i]!)
  const cov = covariances(
    rows.map(({ m, i }) => batches[m]!.advantages[i]!),
    present,
  )
  const isClipped = (k: number) => {
    const { m, i } = rows[k]!
    const [advantage, delta] = [batches[m]!.advantages[i]!, present[k]! - batches[m]!.oldLogp[i]!]
    const token = { logp: 0, advantage, delta, ratio: Math.exp(delta), live: 1, importance: 1, selected: 0 }
    return loss.kind === 'clip-cov' && losses['clip-cov'].row(token, loss, 0).clipped > 0
  }
  const chosen =
    loss.kind === 'kl-cov'
      ? largestCovariances(cov, loss.covShare)
      : sampledCovariances(cov, isClipped, { share: loss.covShare, low: loss.covLow, high: loss.covHigh, seed })
  const marks = batches.map(({ weights }) => new Uint8Array(weights.length))
  for (const [k, { m, i }] of rows.entries()) marks[m]![i] = chosen[k]!
  return batches.map((batch, m) =>
    loss.kind === 'kl-cov'
      ? { ...batch, selected: marks[m]! }
      : { ...batch, keep: marks[m]!.map((mark, i) => (mark || batch.keep?.[i] === 0 ? 0 : 1)) },
  )
}
