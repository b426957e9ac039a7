/**
 * `accuracy`: 1 when the completion's final answer equals the row's, else 0.
 *
 * Answers are equal when their normalised texts are (case, spaces, one final period, `$`, `\text{}`), when both are the
 * same exact number (1,000 = 1000.0 = 1e3; 1/2 = 0.5 = \frac{1}{2}; a `%` or a degree sign at the end is dropped), or
 * when the row's answer is one choice letter and the completion names it as `A`, `(A)`, `A.`, `A)` or `A: ...`.
 */
import { choice } from '../core/parameters.ts'
import { defineReward } from './define.ts'
import { extractAnswer } from './extract.ts'
import { isThinkAnswer } from './format.ts'
import { parseRational, sameRational } from './math/rational.ts'

/** An answer longer than this is a text that rambles; it is compared as it stands. */
const longestAnswer = 2_000

export const accuracy = defineReward({
  name: 'accuracy',
  description: '1 when the final answer equals the ground truth (text, exact number or choice letter), else 0.',
  parameters: {
    format: choice(['any', 'think-answer'], 'The shape without which a right answer scores 0 (Vision-R1).'),
  },
  score({ completion, answer }, { format }) {
    if (answer === null) return null
    return answersAgree(completion, answer) && (format === 'any' || isThinkAnswer(completion)) ? 1 : 0
  },
})

/** Whether the final answer found in `completion` equals the one found in `truth`. Never throws. */
export function answersAgree(completion: string, truth: string): boolean {
  const given = extractAnswer(completion)
  const expected = extractAnswer(truth)
  if (given === '' || expected === '') return false
  if (given === expected) return true
  if (given.length > longestAnswer || expected.length > longestAnswer) return false
  const left = normalise(given)
  const right = normalise(expected)
  if (left === '' || right === '') return false
  return left === right || sameNumber(left, right) || sameChoice(left, right)
}

function normalise(answer: string): string {
  let text = answer.normalize('NFKC').toLowerCase()
  text = text.replace(/\\(?:text|mathrm|mathbf|textbf)\{([^{}]*)\}/g, '$1').replace(/\\[!,;: ]/g, ' ')
  text = text.replaceAll('$', '').replaceAll('\\(', '').replaceAll('\\)', '')
  text = text.split(/\s+/).filter(Boolean).join(' ')
  return text.endsWith('.') ? text.slice(0, -1).trimEnd() : text
}

function sameNumber(left: string, right: string): boolean {
  const a = parseRational(withoutUnit(left))
  const b = a && parseRational(withoutUnit(right))
  return a !== null && b !== null && sameRational(a, b)
}

function withoutUnit(text: string): string {
  return text.replace(/(?:\\?%|°|\^\\circ|\^\{\\circ\})$/, '').trimEnd()
}

function sameChoice(given: string, expected: string): boolean {
  const letter = /^\(?([a-z])[).:]?$/.exec(expected)?.[1]
  if (letter === undefined) return false
  const named = /^(?:\(([a-z])\)|([a-z])(?:[).:]|$))/.exec(given)
  return named !== null && (named[1] ?? named[2]) === letter
}
