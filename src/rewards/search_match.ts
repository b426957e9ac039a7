/**
 * `search_match`: exact match of short answers as question answering scores them (SQuAD, Search-R1): lower case, without
 * punctuation and articles; any of several accepted answers will do.
 */

import { choice, text } from '../core/parameters.ts'
import { alternativesOf, truthOf } from './columns.ts'
import { defineReward } from './define.ts'
import { extractAnswer } from './extract.ts'
import { wordsOf } from './words.ts'

const articles = new Set(['a', 'an', 'the'])
const mostWords = 1_000

export const searchMatch = defineReward({
  name: 'search_match',
  description: '1 when the normalised answer is one of the accepted ones (or contains one), else 0.',
  parameters: {
    match: choice(['exact', 'contains'], 'Whether the answer must be an accepted one or may contain it.'),
    column: text('', 'Column with the accepted answers; empty: the answer of the row.'),
  },
  score(input, { match, column }) {
    const truth = truthOf(input, column)
    if (truth === null) return null
    const given = normalise(extractAnswer(input.completion))
    const accepted = alternativesOf(truth).map(normalise).filter(Boolean)
    if (accepted.length === 0) return null
    const fits = (answer: string) => (match === 'exact' ? answer === given : ` ${given} `.includes(` ${answer} `))
    return accepted.some(fits) ? 1 : 0
  },
})

function normalise(text: string): string {
  const letters = text.slice(0, 20_000).replace(/[!-/:-@[-`{-~]/g, '')
  return wordsOf(letters, mostWords)
    .filter((word) => !articles.has(word))
    .join(' ')
}
