/**
 * `gui_action`: whether an agent's action is the right one (GUI-R1, UI-R1). The action is read by a literal grammar, as
 * a record `{'action': 'click', 'point': [x, y], 'input_text': '..'}` or a call `click(x=1, y=2)`; nothing is evaluated.
 *
 *     0                       another action, or none
 *     1                       the action, its point in the true box, its text near the true one (F1 of words >= 0.5)
 *
 * With `partial` the three parts that the row asks for count equally.
 */

import { flag, text } from '../core/parameters.ts'
import { boxesIn, convertBox, converters, pointsIn, spaceParameters } from './boxes.ts'
import { asText, columnOf } from './columns.ts'
import { defineReward, type RewardInput } from './define.ts'
import { extractAnswer } from './extract.ts'
import { callIn, type Literal, literalsIn } from './literal.ts'
import { ngrams, overlapF1, wordsOf } from './words.ts'

interface Action {
  name: string
  point: [number, number] | null
  text: string
}

const aliases = new Map([
  ...['tap', 'left_click', 'press_point', 'moveto'].map((name) => [name, 'click'] as const),
  ...['input', 'input_text', 'write', 'typewrite'].map((name) => [name, 'type'] as const),
  ...['swipe', 'drag'].map((name) => [name, 'scroll'] as const),
])
const canonical = (name: string) => {
  const plain = name.trim().toLowerCase().replaceAll(/[\s-]/g, '_')
  return aliases.get(plain) ?? plain
}
const enoughText = 0.5

export const guiAction = defineReward({
  name: 'gui_action',
  description: '1 when action, point and text of a GUI step are right, else 0.',
  parameters: {
    ...spaceParameters,
    actionColumn: text('gt_action', 'Column with the name of the true action.'),
    boxColumn: text('gt_bbox', 'Column with the box that the point must lie in; rows without one have no point.'),
    textColumn: text('gt_input_text', 'Column with the text to type or select; rows without one have no text.'),
    partial: flag(false, 'Score the share of the parts that are right.'),
  },
  score(input, values) {
    const truth = columnOf(input, values.actionColumn)
    if (typeof truth !== 'string' || truth.trim() === '') return null
    const convert = converters(input, values)
    const [box] = boxesIn(columnOf(input, values.boxColumn) ?? '')
    if (box && !convert) return null
    const given = actionOf(input, canonical(truth))
    const parts = [given?.name === canonical(truth)]
    if (box && convert) {
      const [x, y] = given?.point ? convert.given(...given.point) : [Number.NaN, Number.NaN]
      const [x1, y1, x2, y2] = convertBox(box.box, convert.truth)
      parts.push(x >= x1 && x <= x2 && y >= y1 && y <= y2)
    }
    const words = wordsOf(asText(columnOf(input, values.textColumn) ?? ''), 500)
    const expected = words.join(' ') === 'no input text' ? [] : words
    if (expected.length > 0)
      parts.push(overlapF1(ngrams(expected, 1), ngrams(wordsOf(given?.text ?? '', 500), 1)) >= enoughText)
    if (!parts[0]) return 0
    return values.partial ? parts.filter(Boolean).length / parts.length : parts.every(Boolean) ? 1 : 0
  },
})

/** The first action of the answer: a record with one, or a call of a known name. */
function actionOf({ completion }: RewardInput, expected: string): Action | null {
  const answer = extractAnswer(completion)
  for (const literal of literalsIn(answer)) {
    const record = recordIn(literal)
    if (record) return fromRecord(record)
  }
  const known = (name: string) => canonical(name) === expected || knownActions.has(canonical(name))
  const call = callIn(answer, known)
  if (!call) return knownActions.has(canonical(answer)) ? { name: canonical(answer), point: null, text: '' } : null
  const values = [...call.positional, ...call.named.values()]
  return { name: canonical(call.name), point: pointOf(values, call.named), text: values.filter(isText).join(' ') }
}

const knownActions = new Set(
  (
    'click type scroll select long_press double_click right_click hotkey press open_app press_back press_home ' +
    'press_enter enter complete finished wait terminate impossible'
  ).split(' '),
)

const isText = (value: Literal): value is string => typeof value === 'string'

function recordIn(value: Literal): Map<string, Literal> | null {
  if (value instanceof Map) return value.has('action') || value.has('action_type') ? value : null
  return Array.isArray(value) ? (value.map(recordIn).find((record) => record !== null) ?? null) : null
}

function fromRecord(record: Map<string, Literal>): Action {
  const name = record.get('action') ?? record.get('action_type')
  const text = record.get('input_text') ?? record.get('text') ?? record.get('value')
  const place = record.get('point') ?? record.get('coordinate') ?? record.get('position') ?? []
  return {
    name: canonical(isText(name ?? null) ? (name as string) : ''),
    point: pointOf([place], record),
    text: isText(text ?? null) ? (text as string) : '',
  }
}

function pointOf(values: Literal[], named: Map<string, Literal>): [number, number] | null {
  const [x, y] = [named.get('x'), named.get('y')]
  if (typeof x === 'number' && typeof y === 'number') return [x, y]
  const numbers = values.filter((value): value is number => typeof value === 'number')
  if (numbers.length >= 2) return [numbers[0]!, numbers[1]!]
  return pointsIn(values.filter((value): value is Literal[] => Array.isArray(value)))[0] ?? null
}
