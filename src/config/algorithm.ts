/** `algorithm` and `rollout`: what is sampled, and what the update does with it. */
import { z } from 'zod'
import { count, fraction, positive, section, text } from './fields.ts'
import { hasKl, klSection } from './kl.ts'
import { lossSection } from './loss.ts'
import { presetNames, presetSummary } from './presets.ts'

const advantage = section(
  {
    kind: z
      .enum([
        ...['group', 'gdpo', 'rloo', 'remax', 'opo', 'gpg', 'pass-at-k'],
        ...['reinforce++', 'reinforce++-baseline', 'gae'],
      ] as const)
      .nullable()
      .default(null)
      .describe(
        'How rewards become advantages; docs/algorithms has a page for each. null = group, or gae with a critic.',
      ),
    scale: z
      .enum(['group', 'batch', 'none'])
      .default('group')
      .describe('Divide reward minus group mean by the standard deviation of the group, of the whole step, or not.'),
    eps: positive().default(1e-4).describe('Added to the standard deviation: 1e-4 TRL, 1e-6 verl and EasyR1.'),
    ddof: z
      .union([z.literal(0), z.literal(1)])
      .default(1)
      .describe('Taken off the count in a variance; 1 = as everywhere in the field.'),
    standardize: z
      .boolean()
      .default(false)
      .describe('Afterwards subtract the mean and divide by the deviation of all advantages of the step.'),
    gamma: fraction().default(1).describe('Discount per token (gae, reinforce++, process).'),
    lambda: fraction().default(1).describe('Decay of the scan over tokens (gae): 1 = no bias, below = less variance.'),
    process: section(
      {
        share: fraction()
          .default(0.5)
          .describe('Weight of the steps; the outcome has the rest. 1 = steps alone (DeepSeekMath).'),
      },
      'Process supervision.',
    )
      .nullable()
      .default(null)
      .describe(
        'Rewards of steps count on the tokens up to the end of their step, normalised over the steps of the group, and ' +
          'beside them the other rewards on all tokens. null = a reward that judges steps counts by its score.',
      ),
  },
  'Advantages.',
).prefault({})

const entropy = section(
  {
    coef: z.number().min(0).default(0).describe('Weight of the entropy bonus; the first one when target is set.'),
    target: z
      .number()
      .min(0)
      .nullable()
      .default(null)
      .describe('Adaptive: below this entropy coef grows by delta per update, above it shrinks and is not applied.'),
    delta: positive().default(0.005).describe('Change of the adaptive coefficient per update.'),
    min: z.number().min(0).default(0).describe('Smallest adaptive coefficient.'),
    max: z.number().min(0).default(1).describe('Largest adaptive coefficient.'),
    topShare: z
      .number()
      .gt(0)
      .max(1)
      .default(1)
      .describe('Only this share of tokens, those of highest entropy, has a loss, e.g. 0.2. 1 = all.'),
  },
  'Entropy: bonus and mask.',
).prefault({})

const rolloutCorrection = section(
  {
    level: z
      .enum(['token', 'sequence-product', 'sequence-geometric'])
      .nullable()
      .default(null)
      .describe(
        'Weigh by trainer / sampler probability of tokens, or of completions by product (TRL, verl) or geometric mean (ms-swift). null = off.',
      ),
    bound: z
      .enum(['truncate', 'mask'])
      .default('truncate')
      .describe('Clamp weights to [low, high], or 0 outside of it.'),
    low: z.number().min(0).default(0).describe('Smallest weight.'),
    high: positive().default(2).describe('Largest weight: 2 verl, 3 TRL.'),
  },
  'Correction for a sampler whose probabilities differ from those of the trainer.',
).prefault({})

const dynamicSampling = section(
  {
    maxRounds: count(0)
      .default(0)
      .describe(
        'Sample again with further prompts, up to this often, until promptsPerStep groups are informative. 0 = off.',
      ),
    low: z.number().default(0).describe('A group is informative when its mean reward is above this.'),
    high: z
      .number()
      .nullable()
      .default(null)
      .describe('And when its mean reward is below this and its rewards differ. null = no limit.'),
  },
  'DAPO dynamic sampling: groups whose rewards are all equal teach nothing and are replaced.',
).prefault({})

const shaping = section(
  {
    overlongCache: count(0)
      .default(0)
      .describe('Soft overlong punishment (DAPO): the last so many tokens before maxNewTokens cost up to 1. 0 = off.'),
    overlongWeight: positive().default(1).describe('Factor of the soft overlong punishment.'),
    cosineWeight: z
      .number()
      .min(0)
      .default(0)
      .describe('Cosine length reward: short right answers beat long ones, long wrong ones beat short ones. 0 = off.'),
    cosineReward: text()
      .default('accuracy')
      .describe('The reward that says what is right (above half of 1) for the cosine length reward.'),
    repetitionWeight: z
      .number()
      .min(0)
      .default(0)
      .describe('Price of repeated n-grams of tokens, up to this. 0 = off.'),
    repetitionNgram: count(1).default(3).describe('Length of those n-grams.'),
  },
  'Rewards that look at length and repetition; each appears among the rewards in the metrics.',
).prefault({})

const critic = section(
  {
    backbone: z
      .enum(['own', 'shared'])
      .default('own')
      .describe('own: a second copy of the model with a value head. shared: a value head on the policy.'),
    lr: z.number().min(0).default(1e-5).describe('Peak learning rate of the critic (own) or of its head (shared).'),
    valueClip: positive().default(0.5).describe('Values move at most this far from those of the rollout in one step.'),
    coef: positive().default(0.1).describe('Weight of the value loss beside the policy loss (shared).'),
    warmupSteps: count(0).default(0).describe('Steps in which only the critic learns.'),
    whitenAdvantages: z.boolean().default(true).describe('Advantages of the step with mean 0 and deviation 1.'),
  },
  'Critic of PPO.',
).prefault({})

export const algorithmSection = section(
  {
    preset: z
      .enum(presetNames)
      .nullable()
      .default(null)
      .describe(`Settings of a paper or of another trainer; your own keys win.\n${presetSummary}`),
    trainer: z
      .enum(['grpo', 'ppo', 'sft'])
      .default('grpo')
      .describe('Reinforcement without (grpo) or with a critic (ppo), or imitation of targets (sft).'),
    advantage,
    loss: lossSection,
    kl: klSection,
    entropy,
    rolloutCorrection,
    offPolicyThreshold: z
      .number()
      .nullable()
      .default(null)
      .describe(
        'Completions of negative advantage whose mean(sampled - present log-prob) is above this have no loss (DeepSeek-V3.2). null = off.',
      ),
    updatesPerRollout: count(1).default(1).describe('Passes over each rollout.'),
    miniBatches: count(1).default(1).describe('Optimizer updates per pass; prompts are dealt out to them evenly.'),
    maskTruncated: z.boolean().default(false).describe('Leave completions cut at maxNewTokens out of the loss.'),
    filterTruncated: z
      .boolean()
      .default(false)
      .describe(
        'Leave completions cut at maxNewTokens out of the loss and out of the mean and deviation of their group.',
      ),
    dynamicSampling,
    shaping,
    critic,
  },
  'How rewards become an update.',
).prefault({})

export type AlgorithmConfig = z.output<typeof algorithmSection>

/** The advantage rule of a run. */
export function advantageKind({ advantage, trainer }: AlgorithmConfig) {
  return advantage.kind ?? (trainer === 'ppo' ? 'gae' : 'group')
}

/** Whether a run looks at a reference model. */
export const needsReference = ({ trainer, kl }: AlgorithmConfig) => trainer !== 'sft' && hasKl(kl)

export const rolloutSection = section(
  {
    promptsPerStep: count(1).default(16).describe('Prompts sampled per step.'),
    groupSize: count(1).default(8).describe('Completions per prompt.'),
    temperature: z.number().min(0).default(1).describe('Sampling temperature. 0 = greedy.'),
    topK: count(0).default(0).describe('Sample among the k likeliest tokens. 0 = off.'),
    topP: z.number().gt(0).max(1).default(1).describe('Sample among the likeliest tokens of this total mass. 1 = off.'),
    minP: z.number().min(0).lt(1).default(0).describe('Drop tokens below minP x the likeliest. 0 = off.'),
    maxNewTokens: count(1).default(256).describe('Longest completion.'),
    stop: z.array(text()).default([]).describe('Text that ends a completion.'),
    weights: z
      .enum(['fp32', 'bf16'])
      .default('fp32')
      .describe(
        'Decoder matrices while sampling. fp32: sampler and trainer agree bit for bit. bf16: rounded, up to twice as fast at few sequences; the sampler is then another policy, and its log-probs are the old ones of the ratio.',
      ),
  },
  'How completions are drawn.',
).prefault({})
