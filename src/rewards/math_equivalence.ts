/**
 * `math`: 1 when the completion gives the mathematical answer of the row, else 0. The verifier is in math/; where the
 * answer is looked for is in math/extract.ts.
 */

import { flag, whole } from '../core/parameters.ts'
import { defineReward } from './define.ts'
import { verifyMath } from './math/verify.ts'

export const math = defineReward({
  name: 'math',
  description: '1 when the answer is mathematically the same as the ground truth, else 0.',
  parameters: {
    latex: flag(true, 'Read formulas: $..$, \\(..\\), \\[..\\] and \\boxed{..}.'),
    expression: flag(true, 'Read numbers and expressions outside formulas.'),
    decimals: whole(6, 'A decimal of at least so many places may be the rounding of a value it cannot write.', 1, 14),
    setRelation: flag(false, 'Accept -2 <= x <= 7 where the truth is the interval [-2, 7].'),
  },
  score: ({ completion, answer }, values) => (answer === null ? null : verifyMath(answer, completion, values) ? 1 : 0),
})
