/** Rewards of JSON shape and of layouts, worked out by hand. */
import { describe, expect, test } from 'vitest'
import { rewards } from '../../src/rewards/index.ts'
import { rewardInput } from '../harness/reward_input.ts'

const { json_schema, layout } = rewards

describe('json_schema', () => {
  const schema = {
    type: 'object',
    required: ['name', 'age'],
    additionalProperties: false,
    properties: {
      name: { type: 'string', minLength: 1 },
      age: { type: 'integer', minimum: 0 },
      tags: { type: 'array', items: { enum: ['a', 'b'] }, maxItems: 2 },
    },
  }
  const score = (completion: string, column: unknown = schema) =>
    json_schema.score(rewardInput(completion, { columns: { schema: column } }))

  // Rules: type, required name and age, no others; name 2, age 2. With tags: type, maxItems, and one for each item.
  test.each([
    ['{"name": "a", "age": 3}', 1],
    ['```json\n{"name": "a", "age": 3}\n```', 1],
    ['<answer>{"name": "a", "age": 3, "tags": ["a", "b"]}</answer>', 1],
    ['{"name": "a", "age": -3}', 7 / 8],
    ['{"name": "a"}', 5 / 8],
    ['{"name": "a", "age": 3, "x": 1}', 7 / 8],
    ['{"name": "a", "age": 3, "tags": ["c"]}', 10 / 11],
    ['[]', 0],
    ['no JSON', 0],
  ])('%s scores %f', (completion, expected) => {
    expect(score(completion)).toBeCloseTo(expected, 12)
  })

  test('a schema as text, none, and one with a rule that would not be checked', () => {
    expect(score('5', '{"type": "integer"}')).toBe(1)
    expect(score('5', null)).toBeNull()
    expect(() => score('5', { pattern: 'a*' })).toThrow(/rows.jsonl:1 schema: expected .*keywords.*pattern/)
  })
})

describe('layout', () => {
  const objects = [
    { label: 'cat', bbox: [0, 0, 10, 10] },
    { label: 'dog', bbox: [20, 0, 30, 10] },
    { label: 'mat', bbox: [-5, -5, 15, 40] },
  ]
  const score = (constraints: unknown, completion = JSON.stringify(objects)) =>
    layout.score(rewardInput(completion, { columns: { constraints } }))
  test.each([
    ['left_of', 'cat', 'dog', 1],
    ['right_of', 'cat', 'dog', 0],
    ['above', 'cat', 'mat', 1],
    ['below', 'mat', 'dog', 1],
    ['inside', 'cat', 'mat', 1],
    ['inside', 'mat', 'cat', 0],
    ['overlaps', 'cat', 'mat', 1],
    ['apart', 'cat', 'dog', 1],
    ['left_of', 'cat', 'cow', 0],
  ])('%s %s %s: %i', (type, a, b, expected) => {
    expect(score([{ type, a, b }])).toBe(expected)
  })
  test('counts, shares, and rows without constraints', () => {
    expect(
      score([
        { type: 'count', a: 'cat', n: 1 },
        { type: 'count', a: 'dog', n: 2 },
      ]),
    ).toBe(0.5)
    expect(score('[{"type": "apart", "a": "cat", "b": "dog"}]')).toBe(1)
    expect(score([{ type: 'apart', a: 'cat', b: 'dog' }], 'nothing')).toBe(0)
    expect(score(undefined)).toBeNull()
    expect(() => score([{ type: 'near', a: 'cat', b: 'dog' }])).toThrow(/expected one of left_of/)
  })
})
