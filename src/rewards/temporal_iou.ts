/** `temporal_iou`: overlap of a span of time with the true one (moment retrieval, VideoChat-R1). */

import { text } from '../core/parameters.ts'
import { asText, truthOf } from './columns.ts'
import { defineReward } from './define.ts'
import { extractAnswer } from './extract.ts'

export const temporalIou = defineReward({
  name: 'temporal_iou',
  description: 'IoU of the first span of time in the answer with the true one; seconds or mm:ss.',
  parameters: { column: text('', 'Column with the true span; empty: the answer of the row.') },
  score(input, { column }) {
    const truth = spanIn(asText(truthOf(input, column) ?? ''))
    if (!truth) return null
    const given = spanIn(extractAnswer(input.completion))
    return given ? overlap(given, truth) : 0
  },
})

type Span = readonly [number, number]

/** The first two times of a text, in seconds. */
function spanIn(text: string): Span | null {
  const times: number[] = []
  for (const match of text.slice(0, 20_000).matchAll(/(?:(\d{1,3}):)?(?:(\d{1,3}):)?(\d{1,7}(?:\.\d{1,9})?)/g)) {
    const [, first, second, seconds] = match
    const [hours, minutes] = second === undefined ? [0, Number(first ?? 0)] : [Number(first), Number(second)]
    times.push(hours * 3600 + minutes * 60 + Number(seconds))
    if (times.length === 2) return [times[0]!, times[1]!]
  }
  return null
}

function overlap([a, b]: Span, [c, d]: Span): number {
  const shared = Math.min(b, d) - Math.max(a, c)
  const all = b - a + (d - c) - Math.max(0, shared)
  return b > a && d > c && shared > 0 ? shared / all : 0
}
