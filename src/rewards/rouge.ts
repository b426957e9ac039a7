/** `rouge`: mean F1 of ROUGE-1, ROUGE-2 and ROUGE-L (Video-R1's free-form tasks; lower case, no stemming). */
import { defineReward } from './define.ts'
import { extractAnswer } from './extract.ts'
import { commonSubsequence, ngrams, overlapF1, wordsOf } from './words.ts'

const mostWords = 2_000

export const rouge = defineReward({
  name: 'rouge',
  description: 'Mean F1 of ROUGE-1, ROUGE-2 and ROUGE-L between answer and ground truth.',
  score({ completion, answer }) {
    const truth = answer === null ? [] : wordsOf(extractAnswer(answer), mostWords)
    if (truth.length === 0) return null
    const given = wordsOf(extractAnswer(completion), mostWords)
    if (given.length === 0) return 0
    const common = commonSubsequence(truth, given)
    const pairs = [1, 2].map((n) => overlapF1(ngrams(truth, n), ngrams(given, n)))
    return (pairs[0]! + pairs[1]! + (2 * common) / (truth.length + given.length)) / 3
  },
})
