/** `algorithm` and `rollout`: what is sampled, and what the update does with it. */
import { z } from 'zod'
import { count, fraction, positive, section, text } from './fields.ts'

const advantage = section(
  {
    scale: z
      .enum(['group', 'batch', 'none'])
      .default('group')
      .describe('Divide reward minus group mean by the standard deviation of the group, of the whole step, or not.'),
    eps: positive().default(1e-4).describe('Added to the standard deviation.'),
  },
  'Group-normalised advantages.',
).prefault({})

const loss = section(
  {
    clipLow: fraction().default(0.2).describe('The ratio is clipped below 1 - clipLow.'),
    clipHigh: z.number().min(0).default(0.2).describe('The ratio is clipped above 1 + clipHigh.'),
    aggregation: z
      .enum(['token-mean', 'sequence-mean', 'fixed-length'])
      .default('token-mean')
      .describe(
        'token-mean: over all tokens of the mini-batch (DAPO). sequence-mean: mean over completions of their token ' +
          'mean (GRPO). fixed-length: sum over tokens / (completions x rollout.maxNewTokens) (Dr. GRPO).',
      ),
  },
  'Clipped-ratio policy loss.',
).prefault({})

export const algorithmSection = section(
  {
    trainer: z.enum(['grpo', 'sft']).default('grpo').describe('Reinforcement (grpo) or imitation of targets (sft).'),
    advantage,
    loss,
    klCoef: z.number().min(0).default(0).describe('Weight of the k3 KL term against the reference. 0 = no reference.'),
    updatesPerRollout: count(1).default(1).describe('Passes over each rollout.'),
    miniBatches: count(1).default(1).describe('Optimizer updates per pass; prompts are dealt out to them evenly.'),
    maskTruncated: z.boolean().default(false).describe('Leave completions cut at maxNewTokens out of the loss.'),
  },
  'How rewards become an update.',
).prefault({})

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
  },
  'How completions are drawn.',
).prefault({})
