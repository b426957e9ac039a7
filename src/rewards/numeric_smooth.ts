/** `numeric_smooth`: how near the number in the answer is to the true one, from 1 down to 0. */

import { decimal, text } from '../core/parameters.ts'
import { asText, truthOf } from './columns.ts'
import { defineReward } from './define.ts'
import { numberIn } from './numbers.ts'

export const numericSmooth = defineReward({
  name: 'numeric_smooth',
  description: 'exp(-|x - t| / (scale max(|t|, floor))); 0 without a number.',
  parameters: {
    scale: decimal(0.1, 'Relative error at which the score has fallen to 1/e.', 1e-6, 1e6),
    floor: decimal(1, 'Smallest size that an error is measured against, for true numbers near 0.', 1e-9),
    column: text('', 'Column with the true number; empty: the answer of the row.'),
  },
  score(input, { scale, floor, column }) {
    const truth = truthOf(input, column)
    const t = truth === null ? null : numberIn(asText(truth))
    if (t === null) return null
    const x = numberIn(input.completion)
    return x === null ? 0 : Math.exp(-Math.abs(x - t) / (scale * Math.max(Math.abs(t), floor)))
  },
})
