/** Whether the trainer's log-probs of a rollout are known before its forward pass. */

import type { Config } from '../config/schema.ts'

/**
 * True when no update lies between sampling and learning and both use the same weights: sampler and trainer then agree
 * bit for bit, every ratio is exactly 1 and the loss needs no old log-probs.
 *
 * Otherwise the sampler's own log-probs are the old ones: those of the policy that drew the tokens, whether it is older
 * by some updates or rounded (`rollout.weights: bf16`), so that the clipped ratio corrects for the difference. With
 * `algorithm.rolloutCorrection` the trainer scores them instead, and weights correct for the sampler.
 */
export const isOnPolicy = ({ algorithm, rollout }: Pick<Config, 'algorithm' | 'rollout'>): boolean =>
  algorithm.updatesPerRollout * algorithm.miniBatches === 1 &&
  algorithm.rolloutCorrection.level === null &&
  rollout.weights === 'fp32'
