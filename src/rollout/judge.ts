/** Sampled completions -> groups with rewards. */

import type { Group } from '../core/types.ts'
import type { RewardInput } from '../rewards/define.ts'
import type { Sampled } from './collect.ts'
import type { RewardFailures, RewardRunner } from './reward_runner.ts'

export interface Judged {
  groups: Group[]
  /** Per reward function: the completions it could not judge. */
  failures: Record<string, RewardFailures>
}

/**
 * Scores every completion with every reward function. Whatever a reward does, each completion ends with a number or
 * `null`.
 *
 * @throws the signal's reason when aborted.
 */
export async function judge(runner: RewardRunner, sampled: readonly Sampled[], signal?: AbortSignal): Promise<Judged> {
  const inputs = sampled.flatMap(rewardInputs)
  const rows = sampled.flatMap(({ prompt, completions }) => completions.map(() => prompt.row))
  const { total, parts, process, failures } = await runner.score(inputs, signal, rows)
  const looksAtSteps = process.some((own) => own !== null)
  let begin = 0
  const groups = sampled.map(({ prompt, completions, tags, rescore }) => {
    const end = begin + completions.length
    const rewardParts = Object.fromEntries(Object.entries(parts).map(([name, all]) => [name, all.slice(begin, end)]))
    const group: Group = { prompt, completions, rewards: total.slice(begin, end), rewardParts, tags, rescore }
    if (looksAtSteps) group.process = process.slice(begin, end)
    begin = end
    return group
  })
  return { groups, failures }
}

function rewardInputs({ prompt, completions }: Sampled): RewardInput[] {
  const { messages, answer, columns, id } = prompt.row
  const images = prompt.images.map(({ sizes }) => sizes)
  return completions.map(({ text, tokens, finish }) => ({
    ...{ completion: text, completionTokens: tokens.length, finish },
    ...{ messages, images, answer, columns, id },
  }))
}
