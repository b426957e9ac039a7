/** `rewards`: how completions are judged. The parameters of a built-in reward are checked against its own list. */
import { z } from 'zod'
import { parameterProblems } from '../core/parameters.ts'
import { type RewardName, rewards } from '../rewards/index.ts'
import { count, positive, section, text } from './fields.ts'

const names = Object.keys(rewards) as [RewardName, ...RewardName[]]

const rewardOptions = {
  weight: z.number().default(1).describe('Factor of this reward in the sum.'),
  timeoutSeconds: positive().default(5).describe('A slower call scores nothing for that completion and is counted.'),
  as: text().optional().describe("Name in metrics, when it is not to be the reward's own."),
}

const namedReward = section(
  {
    name: z.enum(names).describe('A built-in reward.'),
    parameters: z
      .record(z.string(), z.unknown())
      .default({})
      .describe('What this reward can be told; docs/rewards.md lists it.'),
    ...rewardOptions,
  },
  'A built-in reward.',
)

const fileReward = section(
  { file: text().describe('Module whose default export is a reward function.'), ...rewardOptions },
  'A reward of your own.',
)

const httpReward = section(
  {
    url: z
      .string()
      .refine((value) => /^https?:\/\/./.test(value), { error: 'an http or https address' })
      .describe('Address of a reward service; docs/rewards.md has its protocol.'),
    protocol: z.enum(['rft', 'openrlhf']).default('rft').describe('What goes over the wire.'),
    batch: count(1).default(16).describe('Completions per request.'),
    concurrency: count(1).max(256).default(4).describe('Requests in flight.'),
    retries: count(0).max(20).default(3).describe('Further attempts after a failed request.'),
    backoffSeconds: z.number().min(0).max(30).default(0.5).describe('First pause before another attempt; it doubles.'),
    requestsPerSecond: z.number().min(0).default(0).describe('Rate limit. 0 = none.'),
    tokenVariable: text().nullable().default(null).describe('Environment variable with a bearer token.'),
    ...rewardOptions,
  },
  'A reward service.',
)

export const rewardsSection = z
  .array(z.union([namedReward, fileReward, httpReward]))
  .min(1)
  .default([{ name: 'accuracy', parameters: {}, weight: 1, timeoutSeconds: 5 }])
  .superRefine((list, context) => {
    for (const [k, reward] of list.entries()) {
      if (!('name' in reward)) continue
      for (const { name, expected, remedy } of parameterProblems(rewards[reward.name].parameters, reward.parameters))
        context.addIssue({ code: 'custom', path: [k, 'parameters', name], message: expected, params: { remedy } })
    }
  })
  .describe('Reward functions; a completion scores the weighted sum.')
