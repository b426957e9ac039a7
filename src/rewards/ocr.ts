/** `ocr`: how much of a text was read right: 1 minus the word or character error rate, not below 0. */

import { choice, flag } from '../core/parameters.ts'
import { defineReward } from './define.ts'
import { extractAnswer } from './extract.ts'
import { editsBetween, tokensOf } from './words.ts'

/** Longer truths are compared up to here. */
const mostUnits = 2_000

export const ocr = defineReward({
  name: 'ocr',
  description: '1 - min(1, edits / length of the truth), in words or characters.',
  parameters: {
    unit: choice(['words', 'characters'], 'What is counted.'),
    ignoreCase: flag(false, 'Whether capital letters count as small ones.'),
  },
  score({ completion, answer }, { unit, ignoreCase }) {
    if (answer === null) return null
    const units = (text: string, most: number) => {
      const plain = ignoreCase ? text.toLowerCase() : text
      const tokens = tokensOf(plain.slice(0, 100_000), most)
      return unit === 'words' ? tokens : [...tokens.join(' ')].slice(0, most)
    }
    const truth = units(extractAnswer(answer), mostUnits)
    if (truth.length === 0) return null
    const given = units(extractAnswer(completion), 2 * truth.length)
    // So much text costs an insertion for each unit of the truth already.
    return given.length >= 2 * truth.length ? 0 : 1 - Math.min(1, editsBetween(truth, given) / truth.length)
  },
})
