import { InputError } from '../core/errors.ts'
/**
 * What a reward function is. It sees one completion with everything its prompt's row knows, and gives one number.
 *
 * Rewards are pure: the same input gives the same number, and nothing is read or written. `null` means "this reward has
 * nothing to say about this completion"; it is left out of the sum. A reward that throws, hangs or gives anything but a
 * finite number or `null` scores `null` and is counted (see rollout/reward_runner.ts).
 */
import type { FinishReason, Message } from '../core/types.ts'

/** One completion to judge. */
export interface RewardInput {
  /** The completion as text, without special tokens. */
  completion: string
  /** Length of the completion in tokens, end-of-sequence token included. */
  completionTokens: number
  finish: FinishReason
  /** The prompt's messages. */
  messages: readonly Message[]
  /** Ground truth of the row; `null` when it has none. */
  answer: string | null
  /** Every column of the row that its format did not use. */
  columns: Readonly<Record<string, unknown>>
  /** `file.jsonl:12`. */
  id: string
}

export interface Reward {
  /** Name in metrics: `rewards/<name>/mean`. */
  readonly name: string
  /** One sentence for `rft config explain` and the documentation. */
  readonly description: string
  score(input: RewardInput): number | null | Promise<number | null>
}

const namePattern = /^[A-Za-z][\w.-]{0,63}$/

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
export function defineReward(reward: Omit<Reward, 'description'> & { description?: string }): Reward {
  if (typeof reward?.name !== 'string' || !namePattern.test(reward.name))
    throw new InputError('reward name', 'a letter, then up to 63 letters, digits, "_", "-" or "."', reward?.name)
  if (typeof reward.score !== 'function')
    throw new InputError(`reward ${reward.name}`, 'a score function', typeof reward.score)
  return Object.freeze({ ...reward, description: reward.description ?? '' })
}
