/**
 * `layout`: the share of spatial constraints that an arrangement of named boxes keeps. The answer is a list of
 * `{"label": .., "bbox": [x1, y1, x2, y2]}`; the row's constraints are a list of
 *
 *     {"type": "left_of" | "right_of" | "above" | "below", "a": "cat", "b": "dog"}    by centres
 *     {"type": "inside" | "overlaps" | "apart", "a": .., "b": ..}                     by areas
 *     {"type": "count", "a": "cat", "n": 2}
 *
 * A name that occurs several times keeps a constraint when one of its boxes does. All boxes are the answer's own, so the
 * coordinate space does not matter.
 */
import { InputError } from '../core/errors.ts'
import { text } from '../core/parameters.ts'
import { areaOf, type Box, boxesIn, centreOf } from './boxes.ts'
import { asText, columnOf } from './columns.ts'
import { defineReward } from './define.ts'
import { extractAnswer } from './extract.ts'
import { type Literal, parseLiteral } from './literal.ts'

type Relation = (a: Box, b: Box) => boolean

const shared = (a: Box, b: Box) =>
  areaOf([Math.max(a[0], b[0]), Math.max(a[1], b[1]), Math.min(a[2], b[2]), Math.min(a[3], b[3])])

const relations = new Map<string, Relation>([
  ['left_of', (a, b) => centreOf(a)[0] < centreOf(b)[0]],
  ['right_of', (a, b) => centreOf(a)[0] > centreOf(b)[0]],
  ['above', (a, b) => centreOf(a)[1] < centreOf(b)[1]],
  ['below', (a, b) => centreOf(a)[1] > centreOf(b)[1]],
  ['inside', (a, b) => a[0] >= b[0] && a[1] >= b[1] && a[2] <= b[2] && a[3] <= b[3]],
  ['overlaps', (a, b) => shared(a, b) > 0],
  ['apart', (a, b) => shared(a, b) === 0],
])

const mostConstraints = 200

export const layout = defineReward({
  name: 'layout',
  description: 'The share of spatial constraints between named boxes that the answer keeps.',
  parameters: { column: text('constraints', 'Column with the list of constraints.') },
  score(input, { column }) {
    const raw = columnOf(input, column)
    const list = raw === undefined || raw === null ? undefined : parseLiteral(asText(raw))
    if (!Array.isArray(list) || list.length === 0) return null
    const found = boxesIn(extractAnswer(input.completion)).filter(({ box }) => areaOf(box) > 0)
    const named = (name: Literal | undefined) =>
      found.filter(({ label }) => typeof name === 'string' && label === name.trim().toLowerCase()).map(({ box }) => box)
    const constraints = list.slice(0, mostConstraints)
    return constraints.filter((constraint) => keeps(constraint, named, input.id)).length / constraints.length
  },
})

function keeps(constraint: Literal, named: (name: Literal | undefined) => Box[], id: string): boolean {
  const type = constraint instanceof Map ? constraint.get('type') : undefined
  const get = (key: string) => (constraint instanceof Map ? constraint.get(key) : undefined)
  const a = named(get('a'))
  if (type === 'count') return a.length === get('n')
  const holds = typeof type === 'string' ? relations.get(type) : undefined
  if (!holds)
    throw new InputError(
      `${id} constraint`,
      `one of ${[...relations.keys()].join(', ')} or count`,
      type,
      'See docs/rewards.md.',
    )
  const b = named(get('b'))
  return a.some((left) => b.some((right) => holds(left, right)))
}
