/**
 * `box_iou`: overlap of the completion's first box with the true one (referring expressions, VLM-R1). Areas are those of
 * the plane: two equal boxes of one pixel overlap by 1.
 */

import { decimal, text } from '../core/parameters.ts'
import { boxesIn, convertBox, converters, iou, type SpaceValues, spaceParameters } from './boxes.ts'
import { truthOf } from './columns.ts'
import { defineReward, type RewardInput } from './define.ts'
import { extractAnswer } from './extract.ts'

export const boxIou = defineReward({
  name: 'box_iou',
  description: 'IoU of the first box in the answer with the true box; 1 or 0 when threshold is set.',
  parameters: {
    ...spaceParameters,
    threshold: decimal(0, 'IoU from which the score is 1, and 0 below; 0 = the IoU itself.', 0, 1),
    column: text('', 'Column with the true box; empty: the answer of the row.'),
  },
  score(input, values) {
    const overlap = firstOverlap(input, values)
    if (overlap === null || values.threshold === 0) return overlap
    return overlap >= values.threshold ? 1 : 0
  },
})

/** IoU of the first boxes of answer and truth; `null` without a true box or the image that its space needs. */
export function firstOverlap(input: RewardInput, values: SpaceValues & { column: string }): number | null {
  const [truth] = boxesIn(truthOf(input, values.column))
  const convert = converters(input, values)
  if (!truth || !convert) return null
  const [given] = boxesIn(extractAnswer(input.completion))
  return given ? iou(convertBox(given.box, convert.given), convertBox(truth.box, convert.truth)) : 0
}
