/**
 * `tracking`: mean IoU of a box over the frames of the truth (VideoChat-R1). Both sides are a list of boxes, frame by
 * frame, or a record from frame to box; a frame without a box scores 0, further frames gain nothing.
 */

import { text } from '../core/parameters.ts'
import { type Box, boxesIn, convertBox, converters, iou, spaceParameters } from './boxes.ts'
import { asText, truthOf } from './columns.ts'
import { defineReward, type RewardInput } from './define.ts'
import { extractAnswer } from './extract.ts'
import { type Literal, literalsIn } from './literal.ts'

export const tracking = defineReward({
  name: 'tracking',
  description: 'Mean IoU of the boxes with the true ones over the frames of the truth.',
  parameters: { ...spaceParameters, column: text('', 'Column with the true boxes; empty: the answer of the row.') },
  score(input: RewardInput, values) {
    const convert = converters(input, values)
    const truth = framesIn(asText(truthOf(input, values.column) ?? ''))
    if (truth.size === 0 || !convert) return null
    const given = framesIn(extractAnswer(input.completion))
    let total = 0
    for (const [frame, box] of truth) {
      const found = given.get(frame)
      if (found) total += iou(convertBox(found, convert.given), convertBox(box, convert.truth))
    }
    return total / truth.size
  },
})

/** Frame -> box. A list counts its frames from 0. */
function framesIn(text: string): Map<string, Box> {
  const record = literalsIn(text).find((literal) => literal instanceof Map && namesFrames(literal))
  if (record instanceof Map) {
    const frames = [...record].flatMap(([frame, value]): [string, Box][] => {
      const [found] = boxesIn(plain(value))
      return found ? [[frame.trim(), found.box]] : []
    })
    return new Map(frames)
  }
  return new Map(boxesIn(text).map(({ box }, k) => [String(k), box]))
}

const namesFrames = (record: Map<string, Literal>) =>
  [...record.keys()].every((key) => /^\s*\d+(?:\.\d+)?s?\s*$/.test(key))

const plain = (value: Literal): string => asText(value instanceof Map ? [...value.values()] : value)
