/**
 * `format`: 1 when the whole completion has a shape, else 0. Every shape is found by `indexOf`, so hostile text cannot
 * make it slow; a tag that must be there may be there once only.
 *
 * | style        | shape                                                                               |
 * | ------------ | ----------------------------------------------------------------------------------- |
 * | think-answer | `<think>..</think><answer>..</answer>`, only space between and around (DeepSeek-R1)  |
 * | think        | begins with `<think>`, closed once, text behind it                                  |
 * | think-boxed  | the same with a `\boxed{..}` behind `</think>` (EasyR1 maths)                        |
 * | answer       | one `<answer>..</answer>` somewhere                                                 |
 * | boxed        | a closed `\boxed{..}` somewhere                                                     |
 * | no-think     | no tag and no box: the bare answer                                                  |
 * | steps        | R1-VL: image description, rationales, steps 1..n in order, then the final answer    |
 */

import { choice } from '../core/parameters.ts'
import { defineReward } from './define.ts'
import { hasValidSteps } from './steps.ts'

const tags = ['<think>', '</think>', '<answer>', '</answer>'] as const
const styles = ['think-answer', 'think', 'think-boxed', 'answer', 'boxed', 'no-think', 'steps'] as const

export const format = defineReward({
  name: 'format',
  description: '1 when the completion has the asked shape, else 0.',
  parameters: { style: choice(styles, 'Which shape is asked for.') },
  score: ({ completion }, { style }) => (hasFormat(completion, style) ? 1 : 0),
})

function hasFormat(completion: string, style: (typeof styles)[number]): boolean {
  switch (style) {
    case 'think-answer':
      return isThinkAnswer(completion)
    case 'think':
      return afterThinking(completion) !== null
    case 'think-boxed':
      return hasBox(afterThinking(completion) ?? '')
    case 'answer':
      return hasOnce(completion, '<answer>', '</answer>')
    case 'boxed':
      return hasBox(completion)
    case 'no-think':
      return !tags.some((tag) => completion.includes(tag)) && !completion.includes('\\boxed{')
    case 'steps':
      return hasValidSteps(completion)
  }
}

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

/** What stands behind `<think>..</think>`, `null` when the completion does not begin so or nothing stands there. */
function afterThinking(completion: string): string | null {
  const text = completion.trim()
  if (!text.startsWith('<think>') || !hasOnce(text, '<think>', '</think>')) return null
  const rest = text.slice(text.indexOf('</think>') + '</think>'.length).trim()
  return rest === '' ? null : rest
}

function hasOnce(text: string, open: string, close: string): boolean {
  const [begin, end] = [text.indexOf(open), text.indexOf(close)]
  return begin >= 0 && end > begin && text.lastIndexOf(open) === begin && text.lastIndexOf(close) === end
}

/** A `\boxed{` whose brace closes. */
function hasBox(text: string): boolean {
  const start = text.lastIndexOf('\\boxed{')
  if (start < 0) return false
  for (let at = start + '\\boxed{'.length, depth = 1; at < text.length; at++) {
    if (text[at] === '\\') at++
    else if (text[at] === '{') depth++
    else if (text[at] === '}' && --depth === 0) return true
  }
  return false
}
