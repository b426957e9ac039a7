/** `point_in_box`: 1 when the answer's first point lies in a true box (grounding, clicking). */

import { text } from '../core/parameters.ts'
import { areaOf, boxesIn, convertBox, converters, pointsIn, spaceParameters } from './boxes.ts'
import { truthOf } from './columns.ts'
import { defineReward } from './define.ts'
import { extractAnswer } from './extract.ts'

export const pointInBox = defineReward({
  name: 'point_in_box',
  description: "1 when the first point of the answer (or its box's centre) lies in one of the true boxes, else 0.",
  parameters: { ...spaceParameters, column: text('', 'Column with the true boxes; empty: the answer of the row.') },
  score(input, values) {
    const convert = converters(input, values)
    const truth = boxesIn(truthOf(input, values.column)).filter(({ box }) => areaOf(box) > 0)
    if (truth.length === 0 || !convert) return null
    const [point] = pointsIn(extractAnswer(input.completion))
    if (!point) return 0
    const [x, y] = convert.given(...point)
    const inside = truth.some(({ box }) => {
      const [x1, y1, x2, y2] = convertBox(box, convert.truth)
      return x >= x1 && x <= x2 && y >= y1 && y <= y2
    })
    return inside ? 1 : 0
  },
})
