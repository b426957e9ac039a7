/**
 * `format`: 1 when the whole completion is `<think>..</think><answer>..</answer>`, each tag exactly once, else 0.
 * Only space may stand between the two parts and around them; line breaks are allowed anywhere inside; either part may
 * be empty. Found by `indexOf`, so hostile text cannot make it slow.
 */
import { defineReward } from './define.ts'

const tags = ['<think>', '</think>', '<answer>', '</answer>'] as const

export const format = defineReward({
  name: 'format',
  description: '1 when the completion is exactly <think>..</think><answer>..</answer>, else 0.',
  score: ({ completion }) => (isThinkAnswer(completion) ? 1 : 0),
})

export function isThinkAnswer(completion: string): boolean {
  const text = completion.trim()
  const at = tags.map((tag) => text.indexOf(tag))
  if (tags.some((tag, k) => at[k]! < 0 || text.lastIndexOf(tag) !== at[k])) return false
  const [think, thinkEnd, answer, answerEnd] = at as [number, number, number, number]
  return (
    think === 0 &&
    thinkEnd > think &&
    answer > thinkEnd &&
    answerEnd > answer &&
    answerEnd + '</answer>'.length === text.length &&
    text.slice(thinkEnd + '</think>'.length, answer).trim() === ''
  )
}
