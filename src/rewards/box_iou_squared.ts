/** `box_iou_squared`: the square of `box_iou`, which asks for tight boxes (Perception-R1). */

import { text } from '../core/parameters.ts'
import { firstOverlap } from './box_iou.ts'
import { spaceParameters } from './boxes.ts'
import { defineReward } from './define.ts'

export const boxIouSquared = defineReward({
  name: 'box_iou_squared',
  description: 'IoU squared of the first box in the answer with the true box.',
  parameters: { ...spaceParameters, column: text('', 'Column with the true box; empty: the answer of the row.') },
  score(input, values) {
    const overlap = firstOverlap(input, values)
    return overlap === null ? null : overlap ** 2
  },
})
