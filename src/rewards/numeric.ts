/** `numeric`: 1 when the number in the answer is the ground truth's within a tolerance. */

import { decimal, text } from '../core/parameters.ts'
import { asText, truthOf } from './columns.ts'
import { defineReward } from './define.ts'
import { numberIn } from './numbers.ts'

export const numeric = defineReward({
  name: 'numeric',
  description: '1 when |x - t| is at most absolute + relative |t|, else 0.',
  parameters: {
    relative: decimal(0.01, 'Tolerance as a share of the true number.', 0, 10),
    absolute: decimal(0, 'Tolerance added to it.', 0),
    column: text('', 'Column with the true number; empty: the answer of the row.'),
  },
  score(input, { relative, absolute, column }) {
    const truth = truthOf(input, column)
    const t = truth === null ? null : numberIn(asText(truth))
    if (t === null) return null
    const x = numberIn(input.completion)
    return x !== null && Math.abs(x - t) <= absolute + relative * Math.abs(t) ? 1 : 0
  },
})
