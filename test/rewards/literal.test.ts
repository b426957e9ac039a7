/** The grammar of values in model output: JSON, Python literals, calls. */
import { describe, expect, test } from 'vitest'
import { callIn, literalsIn, parseLiteral } from '../../src/rewards/literal.ts'

const map = (entries: Record<string, unknown>) => new Map(Object.entries(entries))

test.each([
  ['[1, 2.5, -3e2]', [1, 2.5, -300]],
  ["{'a': True, 'b': None}", map({ a: true, b: null })],
  ['{"a": {"b": [false]}}', map({ a: map({ b: [false] }) })],
  ['(1, 2,)', [1, 2]],
  ['"a\\n\\u00e9\\""', 'a\né"'],
  ['  7 ', 7],
  ['[1, 2', undefined],
  ['[1 2]', undefined],
  ['{1: 2}', map({ 1: 2 })],
  ['__import__("os")', undefined],
  ['1 + 1', undefined],
  ['[1e999]', undefined],
  [`${'['.repeat(50)}${']'.repeat(50)}`, undefined],
  ['{"__proto__": 1}', new Map([['__proto__', 1]])],
])('%s', (text, value) => {
  expect(parseLiteral(text)).toEqual(value)
})

test('values inside a text, from left to right', () => {
  expect(literalsIn('box [1,2,3,4] and {"x": 1} (but not [a] nor [1')).toEqual([[1, 2, 3, 4], map({ x: 1 })])
  expect(literalsIn('no values')).toEqual([])
})

describe('calls', () => {
  test('with positions and names', () => {
    expect(callIn("pyautogui.click(x=10, y=20, 'a')", (name) => name === 'click')).toEqual({
      name: 'click',
      positional: ['a'],
      named: map({ x: 10, y: 20 }),
    })
  })
  test('only of known names, and only of values', () => {
    expect(callIn('os.system("rm")', (name) => name === 'click')).toBeNull()
    expect(callIn('click(os.system("rm"))', () => true)).toEqual({
      name: 'system',
      positional: ['rm'],
      named: new Map(),
    })
    expect(callIn('click(', () => true)).toBeNull()
  })
})
