import { describe, expect, it } from 'vitest'
import { InputError, show } from '../../src/core/errors.ts'

describe('InputError', () => {
  it('says where, what was expected, what came, and what to do', () => {
    const error = new InputError('a.jsonl:3', 'a text', 7, 'Quote it.')
    expect(error.message).toBe('a.jsonl:3: expected a text but received 7. Quote it.')
    expect(error).toMatchObject({ where: 'a.jsonl:3', remedy: 'Quote it.', name: 'InputError' })
    expect(new InputError('a', 'b', null).message).toBe('a: expected b but received null')
  })
})

describe('show', () => {
  it.each([
    ['text', '"text"'],
    ['a'.repeat(90), `"${'a'.repeat(77)}..."`],
    ['\u001b[31mred\nline\u202e', '"\\u001b[31mred\\nline\\u202e"'],
    [undefined, 'nothing'],
    [null, 'null'],
    [Number.NaN, 'NaN'],
    [[1, 2], '[1,2]'],
    [{ a: 'b' }, '{"a":"b"}'],
    [1n, '[object BigInt]'],
  ])('case %#', (value, text) => {
    expect(show(value)).toBe(text)
  })

  it('survives what cannot be written as JSON', () => {
    const ring: Record<string, unknown> = {}
    ring.self = ring
    expect(show(ring)).toBe('[object Object]')
    expect(show(() => 1)).toContain('=>')
  })
})
