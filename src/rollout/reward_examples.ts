/**
 * Why a reward may be 0: shares of what goes wrong before an answer is compared, and some completions as the rewards read
 * them. Shown with the alarms that ask for it.
 */

import { show } from '../core/errors.ts'
import type { Completion, Group } from '../core/types.ts'
import { extractAnswer } from '../rewards/extract.ts'

const examples = 3
const longestTail = 120

/**
 * Lines for a person.
 *
 * @example
 * rewardExamples(groups)
 * // 12 % of 64 completions were cut off, 80 % have no <answer>, \boxed{} or </think>, 25 % of the groups score alike
 * // train.jsonl:3 expected "4", read "I see four circ" from ... "I see four circ"
 */
export function rewardExamples(groups: readonly Group[]): string[] {
  const completions = groups.flatMap((group) => group.completions.map((completion) => ({ group, completion })))
  if (completions.length === 0) return []
  const share = (count: number, of: number) => `${Math.round((100 * count) / of)} %`
  const cut = completions.filter(({ completion }) => completion.finish === 'length').length
  const unmarked = completions.filter(({ completion }) => !isMarked(completion.text)).length
  const alike = groups.filter(({ rewards }) => new Set(rewards).size === 1).length
  const n = completions.length
  return [
    `${share(cut, n)} of ${n} completions were cut off, ${share(unmarked, n)} have no <answer>, \\boxed{} or </think>, ` +
      `${share(alike, groups.length)} of the groups score alike`,
    ...groups.slice(0, examples).map((group) => exampleLine(group, group.completions[0]!)),
  ]
}

function exampleLine({ prompt }: Group, { text }: Completion): string {
  const read = extractAnswer(text).slice(0, longestTail)
  return `${prompt.row.id} expected ${show(prompt.row.answer)}, read ${show(read)} from ... ${show(text.slice(-longestTail))}`
}

const isMarked = (text: string) => ['</answer>', '\\boxed{', '</think>'].some((mark) => text.includes(mark))
