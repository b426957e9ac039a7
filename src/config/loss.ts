/** `algorithm.loss`: the policy losses, each with the constants of its paper, and how token losses are summed. */
import { z } from 'zod'
import { aggregations } from '../algorithms/index.ts'
import { fraction, positive, section } from './fields.ts'

const aggregation = (byDefault: (typeof aggregations)[number]) =>
  z
    .enum(aggregations)
    .default(byDefault)
    .describe(
      'How token losses become one number. token-mean: over the tokens of the mini-batch (verl). rollout-token-mean: ' +
        'over those of the whole rollout (DAPO, TRL dapo). micro-batch-token-mean: mean of micro-batch means (TRL bnpo); ' +
        'depends on train.tokensPerMicroBatch. sequence-mean: mean over completions of their token mean (GRPO). ' +
        'sequence-sum: mean over completions of their token sum. fixed-length: sum / (completions x ' +
        'rollout.maxNewTokens) (Dr. GRPO).',
    )

const clipLow = (value: number) => fraction().default(value).describe('The ratio is clipped below 1 - clipLow.')
const clipHigh = (value: number) =>
  z.number().min(0).default(value).describe('The ratio is clipped above 1 + clipHigh.')
const bounds = (low: number, high: number) => ({
  clipLow: clipLow(low),
  clipHigh: clipHigh(high),
  dualClip: z
    .number()
    .gt(1)
    .nullable()
    .default(null)
    .describe(
      'For negative advantages the loss is at most this x |advantage|, e.g. 3 (verl clip_ratio_c). null = off.',
    ),
  ratioCap: z
    .number()
    .gt(1)
    .nullable()
    .default(null)
    .describe('Largest ratio of the unclipped branch, e.g. 4 (two-sided clip, TRL delta). null = off.'),
})

const kind = <K extends string>(name: K) =>
  z.literal(name).describe('Policy loss; docs/algorithms has a page for each.')

const covShare = fraction().default(2e-4).describe('Share of the tokens of a mini-batch that the rule chooses.')

export const lossSection = z
  .discriminatedUnion('kind', [
    section(
      { kind: kind('clip').default('clip'), ...bounds(0.2, 0.2), aggregation: aggregation('token-mean') },
      'Clipped ratio of tokens (PPO, GRPO, DAPO).',
    ),
    section(
      {
        kind: kind('clip-cov'),
        ...bounds(0.2, 0.2),
        covShare,
        covLow: z.number().default(1).describe('Covariances above this may be chosen.'),
        covHigh: z.number().default(5).describe('Covariances below this may be chosen.'),
        aggregation: aggregation('token-mean'),
      },
      'Clipped ratio; some tokens of high covariance of log-prob and advantage have no loss.',
    ),
    section(
      {
        kind: kind('kl-cov'),
        covShare,
        covCoef: positive().default(0.1).describe('Price of the chosen tokens: covCoef x |log-ratio|.'),
        aggregation: aggregation('token-mean'),
      },
      'Unclipped ratio; the tokens of highest covariance pay for moving.',
    ),
    section(
      { kind: kind('gspo'), ...bounds(3e-4, 4e-4), aggregation: aggregation('sequence-mean') },
      'Clipped geometric mean ratio of whole completions.',
    ),
    section(
      { kind: kind('gspo-token'), ...bounds(3e-4, 4e-4), aggregation: aggregation('sequence-mean') },
      'GSPO with the gradient of each token through its own log-prob.',
    ),
    section(
      { kind: kind('luspo'), ...bounds(2e-3, 2.5e-3), aggregation: aggregation('sequence-sum') },
      'GSPO whose tokens are summed, so long completions count more.',
    ),
    section(
      { kind: kind('sequence-product'), ...bounds(0.2, 0.2), aggregation: aggregation('sequence-mean') },
      'Clipped probability ratio of whole completions (RLOO of TRL).',
    ),
    section(
      {
        kind: kind('cispo'),
        bound: z
          .enum(['absolute', 'relative'])
          .default('absolute')
          .describe(
            'absolute: the ratio is clipped to [clipLow, clipHigh] (TRL). relative: to [1 - clipLow, 1 + clipHigh] (verl).',
          ),
        clipLow: fraction().default(0).describe('Lower bound of the weight, see bound.'),
        clipHigh: z.number().min(0).default(5).describe('Upper bound of the weight, see bound.'),
        aggregation: aggregation('rollout-token-mean'),
      },
      'REINFORCE weighted by the clipped ratio.',
    ),
    section({ kind: kind('reinforce'), aggregation: aggregation('token-mean') }, 'REINFORCE: -advantage x log-prob.'),
    section(
      {
        kind: kind('sapo'),
        tauPositive: positive().default(1).describe('Temperature of the gate for positive advantages.'),
        tauNegative: positive().default(1.05).describe('Temperature of the gate for the others.'),
        aggregation: aggregation('sequence-mean'),
      },
      'A sigmoid gate in place of the clip.',
    ),
    section(
      {
        kind: kind('gmpo'),
        clipLow: z.number().min(0).default(0.4).describe('The log-ratio is clipped below -clipLow.'),
        clipHigh: z.number().min(0).default(0.4).describe('The log-ratio is clipped above clipHigh.'),
        aggregation: aggregation('sequence-mean'),
      },
      'Geometric mean of token ratios, clipped in log space.',
    ),
    section(
      {
        kind: kind('vespo'),
        kPositive: positive().default(2).describe('Exponent of the weight for advantages from 0.'),
        lambdaPositive: positive().default(3).describe('Decay of the weight for advantages from 0.'),
        kNegative: positive().default(3).describe('Exponent of the weight for negative advantages.'),
        lambdaNegative: positive().default(2).describe('Decay of the weight for negative advantages.'),
        aggregation: aggregation('rollout-token-mean'),
      },
      'REINFORCE weighted by a gamma function of the ratio of the completion.',
    ),
  ])
  .prefault({})
