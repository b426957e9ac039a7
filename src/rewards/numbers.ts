/** The number that an answer text means. */
import { extractAnswer } from './extract.ts'
import { parseRational, toNumber } from './math/rational.ts'

const longestAnswer = 2_000

/**
 * The number of a text's final answer: the whole answer as a number (units, `$` and a percent sign dropped), else the
 * last number in it; `null` when it has none.
 *
 * @example numberIn('<answer>about 1,250 km</answer>') // 1250
 */
export function numberIn(text: string): number | null {
  const answer = extractAnswer(text).slice(-longestAnswer)
  const plain = answer.trim().toLowerCase().replaceAll('$', '').replace(/\\?%$/, '').trim()
  const exact = parseRational(plain)
  if (exact) return finite(toNumber(exact))
  const last = numbersIn(answer).at(-1)
  return last === undefined ? null : last
}

/** All decimals of a text in order, thousands commas joined. One scan. */
export function numbersIn(text: string, most = 1_000): number[] {
  const found: number[] = []
  for (const [match] of text.matchAll(
    /[+-]?(?:\d{1,3}(?:,\d{3}(?!\d))+|\d{1,30})(?:\.\d{1,30})?(?:[eE][+-]?\d{1,3})?/g,
  )) {
    const value = finite(Number(match.replaceAll(',', '')))
    if (value !== null) found.push(value)
    if (found.length === most) break
  }
  return found
}

const finite = (value: number): number | null => (Number.isFinite(value) ? value : null)
