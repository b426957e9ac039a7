/** Answers of benchmarks whose prompts ask for no tags: found in free text, compared with options and numbers. */

import { editDistance } from '../../core/suggest.ts'
import { extractAnswer } from '../../rewards/extract.ts'

const longest = 400

/**
 * The final answer of a completion: inside its tags or box, else what follows the last "answer is" or "answer:", else its
 * last line. Linear in the length of the text.
 */
export function finalAnswer(completion: string): string {
  const found = extractAnswer(completion)
  if (found.length < completion.trim().length) return phrase(found) ?? found
  return phrase(completion) ?? lastLine(completion)
}

function phrase(text: string): string | null {
  const lower = text.toLowerCase()
  const starts = ['answer is', 'answer:', 'answer：'].map((words) => ({ at: lower.lastIndexOf(words), words }))
  const { at, words } = starts.reduce((last, one) => (one.at > last.at ? one : last))
  if (at < 0) return null
  const rest = text.slice(at + words.length, at + words.length + longest)
  return rest
    .split('\n')[0]!
    .replace(/^[\s:*]+/, '')
    .replace(/[\s.*]+$/, '')
}

function lastLine(text: string): string {
  const trimmed = text.trim()
  return trimmed
    .slice(trimmed.lastIndexOf('\n') + 1)
    .slice(-longest)
    .trim()
}

/** The letter that an answer chooses, among the first `count` ones; `null` for none. */
export function chosenLetter(answer: string, count: number): string | null {
  const found = /^\s*\(?([A-Za-z])\)?(?:[\s.:,)]|$)/.exec(answer.replaceAll('*', '').replaceAll('$', ''))
  const letter = found ? found[1]!.toUpperCase() : undefined
  return letter !== undefined && letter.charCodeAt(0) - 65 < count ? letter : null
}

/** The place of the chosen option: by letter, by its text, else the one whose text is closest. */
export function chosenOption(answer: string, options: readonly string[]): number {
  const exact = options.findIndex((option) => plain(option) === plain(answer))
  if (exact >= 0) return exact
  const letter = chosenLetter(answer, options.length)
  if (letter !== null) return letter.charCodeAt(0) - 65
  const short = plain(answer).slice(0, 120)
  const distances = options.map((option) => editDistance(short, plain(option).slice(0, 120)))
  return short === '' ? -1 : distances.indexOf(Math.min(...distances))
}

const plain = (text: string) =>
  text
    .trim()
    .toLowerCase()
    .replace(/[.\s]+$/, '')

/** The last number of an answer; thousands may have commas. */
export function lastNumber(answer: string): number | null {
  const found = answer
    .slice(-longest)
    .match(/-?\d[\d,]*(?:\.\d+)?/g)
    ?.at(-1)
  const value = found === undefined ? Number.NaN : Number(found.replaceAll(',', ''))
  return Number.isFinite(value) ? value : null
}
