/** `algorithm.kl`: distance to a reference model, in the loss or in the reward, and how its weight moves. */
import { z } from 'zod'
import { count, fraction, positive, section } from './fields.ts'

export const klSection = section(
  {
    coef: z.number().min(0).default(0).describe('Weight of the KL term. 0 = no reference.'),
    estimator: z
      .enum(['k1', 'k2', 'k3', 'k3-k2'])
      .default('k3')
      .describe('k1, k2, k3 of one token; k3-k2: the value of k3 with the gradient of k2, which is unbiased.'),
    place: z
      .enum(['loss', 'reward'])
      .default('loss')
      .describe('loss: added to the loss of each token (GRPO). reward: taken off the reward (RLOO, PPO).'),
    biasCorrected: z
      .boolean()
      .default(false)
      .describe('Multiply the term by the ratio, which corrects for tokens of an older policy (DeepSeek-V3.2).'),
    schedule: z
      .enum(['constant', 'linear', 'cosine', 'adaptive', 'accuracy'])
      .default('constant')
      .describe(
        'linear, cosine: from coef to endCoef over the run. adaptive: holds the KL near target. accuracy: coef at ' +
          'accuracy 0, endCoef at accuracy 1.',
      ),
    endCoef: z.number().min(0).default(0).describe('Where linear, cosine and accuracy schedules lead.'),
    target: positive().default(0.1).describe('KL per token that the adaptive schedule aims at.'),
    horizon: positive().default(10_000).describe('Completions over which the adaptive schedule corrects itself.'),
    accuracyOver: z
      .enum(['batch', 'group'])
      .default('batch')
      .describe('accuracy: one weight for the step, or one for each prompt.'),
    reference: z
      .enum(['frozen', 'periodic', 'ema'])
      .default('frozen')
      .describe('periodic: the policy is copied into the reference every syncEvery steps. ema: mixed in.'),
    syncEvery: count(1).default(512).describe('Steps between updates of the reference.'),
    syncAlpha: fraction().default(0.6).describe('ema: reference = syncAlpha x policy + (1 - syncAlpha) x reference.'),
  },
  'KL divergence from a reference model.',
).prefault({})

/** Whether any step of a run has a KL term. */
export function hasKl({ coef, schedule, endCoef }: z.output<typeof klSection>): boolean {
  return coef > 0 || (['linear', 'cosine', 'accuracy'].includes(schedule) && endCoef > 0)
}
