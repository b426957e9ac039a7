/**
 * What a reward function is. It sees one completion with everything its prompt's row knows, and gives one number, or one
 * for each step of the completion beside it (`algorithm.advantage.process` places those on tokens).
 *
 * Rewards are pure: the same input gives the same number, and nothing is read or written. `null` means "this reward has
 * nothing to say about this completion"; it is left out of the sum. A reward that throws, hangs or gives anything but a
 * finite number or `null` scores `null` and is counted (see rollout/reward_runner.ts).
 */
import { InputError } from '../core/errors.ts'
import { defaultsOf, type Parameters, type Values } from '../core/parameters.ts'
import type { FinishReason, ImageSizes, Message, StepReward } from '../core/types.ts'

/** One completion to judge. */
export interface RewardInput {
  /** The completion as text, without special tokens. */
  completion: string
  /** Length of the completion in tokens, end-of-sequence token included. */
  completionTokens: number
  finish: FinishReason
  /** The prompt's messages. */
  messages: readonly Message[]
  /** Sizes of the prompt's images, in order, as the files have them and as the model saw them. */
  images: readonly ImageSizes[]
  /** Ground truth of the row; `null` when it has none. */
  answer: string | null
  /** Every column of the row that its format did not use. */
  columns: Readonly<Record<string, unknown>>
  /** `file.jsonl:12`. */
  id: string
}

/** The steps of a completion, judged one by one. */
export interface StepScores {
  /** In the order of the text. */
  readonly steps: readonly StepReward[]
  /** Of the completion as a whole; default: the mean of its steps, 0 without any. */
  readonly score?: number
}

type Given = number | null | StepScores
export type Score = Given | Promise<Given>

export interface Reward<P extends Parameters = Parameters> {
  /** Name in metrics: `rewards/<name>/mean`. */
  readonly name: string
  /** One sentence for the documentation. */
  readonly description: string
  /** What it can be told; empty for most rewards of your own. */
  readonly parameters: P
  /** @param values one for each parameter; absent: the defaults. */
  score(input: RewardInput, values?: Values<P>): Score
}

/** What `defineReward` takes. */
export interface RewardDefinition<P extends Parameters> {
  name: string
  description?: string
  parameters?: P
  score(input: RewardInput, values: Values<P>): Score
}

const namePattern = /^[A-Za-z][\w.-]{0,63}$/

/** Whether a text would do as the name of a metric. */
export const isRewardName = (name: string): boolean => namePattern.test(name)

/**
 * Declares a reward.
 *
 * @throws InputError when the name would not do as a metric name or `score` is not a function.
 * @example
 * export default defineReward({
 *   name: 'short',
 *   description: '1 for completions of at most 40 tokens',
 *   score: ({ completionTokens }) => (completionTokens <= 40 ? 1 : 0),
 * })
 */
export function defineReward<const P extends Parameters = Record<never, never>>(
  definition: RewardDefinition<P>,
): Reward<P> {
  if (typeof definition?.name !== 'string' || !isRewardName(definition.name))
    throw new InputError('reward name', 'a letter, then up to 63 letters, digits, "_", "-" or "."', definition?.name)
  if (typeof definition.score !== 'function')
    throw new InputError(`reward ${definition.name}`, 'a score function', typeof definition.score)
  const { name, description = '', score } = definition
  const parameters = definition.parameters ?? ({} as P)
  const defaults = defaultsOf(parameters)
  return Object.freeze({
    ...{ name, description, parameters },
    score: (input: RewardInput, values: Values<P> = defaults) => score(input, values),
  })
}
