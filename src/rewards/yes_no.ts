/** `yes_no`: 1 when the answer says yes or no as the ground truth does. */
import { defineReward } from './define.ts'
import { extractAnswer } from './extract.ts'
import { wordsOf } from './words.ts'

const meanings = new Map([
  ...['yes', 'true', 'correct', 'right', 'y'].map((word) => [word, true] as const),
  ...['no', 'false', 'incorrect', 'wrong', 'not', 'n'].map((word) => [word, false] as const),
])

export const yesNo = defineReward({
  name: 'yes_no',
  description: '1 when the answer says yes or no (true or false) as the ground truth does, else 0.',
  score({ completion, answer }) {
    const truth = answer === null ? null : verdictOf(answer)
    return truth === null ? null : verdictOf(completion) === truth ? 1 : 0
  },
})

/** What the first word with a meaning says; `null` when there is none. An answer that says both is neither. */
function verdictOf(text: string): boolean | null {
  const said = wordsOf(extractAnswer(text), 200).filter((word) => meanings.has(word))
  const plain = said.filter((word) => word === 'yes' || word === 'no')
  if (new Set(plain).size === 2 || said.length === 0) return null
  return meanings.get(said[0]!)!
}
