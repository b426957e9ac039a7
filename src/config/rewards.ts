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

const learnedReward = section(
  {
    name: z.literal('learned').describe('A reward that is a model, loaded by this engine.'),
    path: text().describe('Folder of a reward model, a process reward model, or a model that is asked for a verdict.'),
    kind: z
      .enum(['auto', 'score', 'steps', 'verdict', 'step-verdict'])
      .default('auto')
      .describe(
        'score: a head on the last token of the conversation. steps: a head on a token behind each step. verdict, ' +
          'step-verdict: the likelier of two words there. auto = as config.json says, else verdict.',
      ),
    template: text()
      .nullable()
      .default(null)
      .describe(
        'verdict: what is asked, with {question}, {answer} and {completion}. null = whether the reply is right.',
      ),
    words: z
      .array(text())
      .length(2)
      .nullable()
      .default(null)
      .describe('The good and the bad word, each one token. null = Yes and No, of steps + and -.'),
    stepToken: text()
      .nullable()
      .default(null)
      .describe('Token behind each step. null = <extra_0>, of step-verdict ки.'),
    separator: text().default('\n\n').describe('What stands between the steps of a completion.'),
    system: text().nullable().default(null).describe("System message instead of the row's. null = as the row has it."),
    output: z
      .enum(['auto', 'logit', 'probability', 'log-probability'])
      .default('auto')
      .describe('auto = the logit of a head with one label, else the probability of the good word or label.'),
    over: z
      .enum(['min', 'mean', 'product', 'last'])
      .default('min')
      .describe('How the steps make the score of the whole.'),
    ...rewardOptions,
  },
  'A reward that is a model.',
)

const consistencyReward = section(
  {
    name: z.literal('consistency').describe('Whether a frozen model comes to a right answer from the reasoning alone.'),
    path: text().nullable().default(null).describe('Folder of the frozen model. null = model.path, as the run begins.'),
    judge: z
      .enum(['accuracy', 'math', 'exact', 'choice'])
      .default('accuracy')
      .describe('The reward that says whether the answers of policy and frozen model are right.'),
    maxNewTokens: count(1).default(64).describe('Longest answer of the frozen model.'),
    ...rewardOptions,
  },
  'Consistency of reasoning and answer (Embodied-R).',
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
  .array(z.union([learnedReward, namedReward, consistencyReward, fileReward, httpReward]))
  .min(1)
  .default([{ name: 'accuracy', parameters: {}, weight: 1, timeoutSeconds: 5 }])
  .superRefine((list, context) => {
    for (const [k, reward] of list.entries()) {
      if (!('name' in reward) || 'path' in reward) continue
      for (const { name, expected, remedy } of parameterProblems(rewards[reward.name].parameters, reward.parameters))
        context.addIssue({ code: 'custom', path: [k, 'parameters', name], message: expected, params: { remedy } })
    }
  })
  .describe('Reward functions; a completion scores the weighted sum.')
