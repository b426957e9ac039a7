/**
 * `repetition`: a penalty for saying the same again: `penalty (1 - distinct / all)` over the n-grams of the completion's
 * words (TRL and ms-swift; TRL counts tokens).
 */

import { decimal, whole } from '../core/parameters.ts'
import { defineReward } from './define.ts'
import { ngrams, tokensOf } from './words.ts'

const mostWords = 20_000

export const repetition = defineReward({
  name: 'repetition',
  description: 'penalty times the share of repeated word n-grams; 0 for text without repetition.',
  parameters: {
    size: whole(3, 'Words in an n-gram.', 1, 20),
    penalty: decimal(-1, 'Score of nothing but repetition.', -1e3, 0),
  },
  score({ completion }, { size, penalty }) {
    const words = tokensOf(completion.toLowerCase(), mostWords)
    const all = words.length - size + 1
    return all < 1 ? 0 : noNegativeZero(penalty * (1 - ngrams(words, size).size / all))
  },
})

const noNegativeZero = (value: number) => (value === 0 ? 0 : value)
