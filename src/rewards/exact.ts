/** `exact`: 1 when the final answer is the ground truth letter for letter, spaces at the ends and runs of them aside. */

import { flag, text } from '../core/parameters.ts'
import { asText, truthOf } from './columns.ts'
import { defineReward } from './define.ts'
import { extractAnswer } from './extract.ts'

export const exact = defineReward({
  name: 'exact',
  description: '1 when the final answer and the ground truth are the same text, else 0.',
  parameters: {
    ignoreCase: flag(false, 'Whether capital letters count as small ones.'),
    column: text('', 'Column with the ground truth; empty: the answer of the row.'),
  },
  score(input, { ignoreCase, column }) {
    const truth = truthOf(input, column)
    if (truth === null) return null
    const plain = (value: string) => {
      const joined = value.split(/\s+/).filter(Boolean).join(' ')
      return ignoreCase ? joined.toLowerCase() : joined
    }
    return plain(extractAnswer(input.completion)) === plain(extractAnswer(asText(truth))) ? 1 : 0
  },
})
