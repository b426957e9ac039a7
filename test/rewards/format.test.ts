import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { isThinkAnswer } from '../../src/rewards/format.ts'

describe('isThinkAnswer', () => {
  test.each([
    '<think>1+1</think><answer>2</answer>',
    '<think>a\nb</think>\n\n<answer>c\nd</answer>',
    '<think></think><answer></answer>',
    ' <think>x</think> <answer>y</answer>\n',
    '<think>1 < 2 > 0 </ think></think><answer>yes</answer>',
  ])('accepts %j', (text) => {
    expect(isThinkAnswer(text)).toBe(true)
  })

  test.each([
    '',
    '2',
    '<answer>2</answer>',
    '<think>1</think>2',
    '<think>1<answer>2</answer>',
    '<think>1</think><answer>2',
    '1</think><answer>2</answer>',
    '<answer>2</answer><think>1</think>',
    '<think>1</think>so<answer>2</answer>',
    'so <think>1</think><answer>2</answer>',
    '<think>1</think><answer>2</answer> done',
    '<think>1</think><answer>2</answer><answer>3</answer>',
    '<think>1</think><answer>2</answer></answer>',
    '<think><think>1</think><answer>2</answer>',
    '<think>1</think></think><answer>2</answer>',
    '<think><answer>1</think>2</answer>',
    '<Think>1</Think><Answer>2</Answer>',
    '<think>1</answer><answer>2</think>',
    '</think><think><answer></answer>',
  ])('refuses %j', (text) => {
    expect(isThinkAnswer(text)).toBe(false)
  })

  test('is the regular expression `<think>.*?</think>\\s*<answer>.*?</answer>` with each tag once', () => {
    const tags = ['<think>', '</think>', '<answer>', '</answer>']
    const piece = fc.constantFrom(...tags, ...tags, '1', ' ', '\n', '<', 'think>')
    const nearly = fc.constantFrom('', '', '', ...tags, 'x', '\n')
    const text = fc.oneof(
      fc.array(piece, { maxLength: 9 }).map((parts) => parts.join('')),
      fc.tuple(nearly, nearly, nearly, nearly, nearly).map(([a, b, c, d, e]) => {
        return `${a}<think>${b}</think>${c}<answer>${d}</answer>${e}`
      }),
    )
    fc.assert(
      fc.property(text, (completion) => {
        const once = tags.every((tag) => completion.split(tag).length === 2)
        const matches = /^<think>[\s\S]*?<\/think>\s*<answer>[\s\S]*?<\/answer>$/.test(completion.trim())
        expect(isThinkAnswer(completion)).toBe(once && matches)
      }),
      { numRuns: 3000 },
    )
  })

  test.each(['<think>', '</think>', '<think></think>', '<answer>', ' ', '<think></think>\n'])(
    'a megabyte of %j takes no time',
    (unit) => {
      const started = performance.now()
      isThinkAnswer(unit.repeat(1_000_000 / unit.length))
      isThinkAnswer(`<think></think>${unit.repeat(1_000_000 / unit.length)}<answer></answer>`)
      expect(performance.now() - started).toBeLessThan(200)
    },
  )
})
