/**
 * `detection`: a list of boxes against the true ones, by one of these measures:
 *
 * | measure    | score                                                                              |
 * | ---------- | ---------------------------------------------------------------------------------- |
 * | iou        | overlaps of matched pairs / the larger count of boxes (Visual-RFT)                  |
 * | confidence | mean over the given boxes of c where matched, 1 - c where not (Visual-RFT)          |
 * | f          | F-beta of the matched pairs                                                        |
 * | ap50       | mean average precision at IoU 0.5                                                  |
 * | map        | mean average precision over IoU 0.5 to 0.95 (COCO)                                  |
 *
 * With `countPenalty` a list longer than the truth is multiplied by truth / given (VLM-R1's odLength).
 */

import { choice, decimal, flag, text } from '../core/parameters.ts'
import { boxesIn, convertBox, converters, type Found, spaceParameters } from './boxes.ts'
import { truthOf } from './columns.ts'
import { defineReward } from './define.ts'
import { extractAnswer } from './extract.ts'
import { matchBoxes, meanAveragePrecision } from './matching.ts'

const cocoThresholds = Array.from({ length: 10 }, (_, k) => 0.5 + 0.05 * k)

export const detection = defineReward({
  name: 'detection',
  description: 'Quality of a list of boxes: matched overlap, confidence, F, AP50 or mAP.',
  parameters: {
    ...spaceParameters,
    measure: choice(['iou', 'confidence', 'f', 'ap50', 'map'], 'What is measured.'),
    threshold: decimal(0.5, 'IoU from which boxes match (iou, confidence, f).', 0, 1),
    beta: decimal(1, 'Weight of recall against precision in F.', 0.01, 100),
    countPenalty: flag(false, 'Multiply by truth / given when more boxes are given than there are.'),
    column: text('', 'Column with the true boxes; empty: the answer of the row.'),
  },
  score(input, values) {
    const convert = converters(input, values)
    const truth = boxesIn(truthOf(input, values.column))
    if (truth.length === 0 || !convert) return null
    const given = boxesIn(extractAnswer(input.completion))
    if (given.length === 0) return 0
    const moved = (boxes: Found[], to: (x: number, y: number) => [number, number]) =>
      boxes.map((found) => ({ ...found, box: convertBox(found.box, to) }))
    const score = measure(moved(given, convert.given), moved(truth, convert.truth), values)
    return values.countPenalty && given.length > truth.length ? (score * truth.length) / given.length : score
  },
})

interface MeasureValues {
  measure: 'iou' | 'confidence' | 'f' | 'ap50' | 'map'
  threshold: number
  beta: number
}

function measure(given: Found[], truth: Found[], values: MeasureValues): number {
  if (values.measure === 'ap50') return meanAveragePrecision(given, truth, [0.5])
  if (values.measure === 'map') return meanAveragePrecision(given, truth, cocoThresholds)
  const pairs = matchBoxes(given, truth, values.threshold)
  if (values.measure === 'iou')
    return pairs.reduce((sum, { overlap }) => sum + overlap, 0) / Math.max(given.length, truth.length)
  if (values.measure === 'confidence') {
    const matched = new Set(pairs.map((pair) => pair.given))
    const scores = given.map(({ confidence }, k) => (matched.has(k) ? (confidence ?? 1) : 1 - (confidence ?? 1)))
    return scores.reduce((sum, score) => sum + score, 0) / given.length
  }
  const squared = values.beta ** 2
  const weighted = (1 + squared) * pairs.length
  return weighted / (weighted + squared * (truth.length - pairs.length) + (given.length - pairs.length))
}
