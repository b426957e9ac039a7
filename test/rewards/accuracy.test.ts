import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { accuracy, answersAgree } from '../../src/rewards/accuracy.ts'
import { extractAnswer } from '../../src/rewards/extract.ts'
import { rewardInput } from '../harness/reward_input.ts'

const input = (completion: string, answer: string | null) => rewardInput(completion, { answer })

describe('extractAnswer', () => {
  test.each([
    ['<think>2</think><answer> 3 </answer>', '3'],
    ['<answer>1</answer> no: <answer>2</answer>', '2'],
    ['<answer><answer>4</answer>', '4'],
    ['it is \\boxed{7}, so \\boxed{8}', '8'],
    ['\\boxed{\\frac{1}{2}}', '\\frac{1}{2}'],
    ['\\boxed{\\{1\\}}', '\\{1\\}'],
    ['<think>maybe 4</think> 5 ', '5'],
    ['<think>a</think>b</think>c', 'c'],
    ['  6', '6'],
    ['<answer>5', '<answer>5'],
    ['5</answer>', '5</answer>'],
    ['\\boxed{5', '\\boxed{5'],
    ['<think>still thinking about 5', '<think>still thinking about 5'],
    ['<answer>a\nb</answer>', 'a\nb'],
    ['', ''],
  ])('%j -> %j', (text, answer) => {
    expect(extractAnswer(text)).toBe(answer)
  })
})

describe('answersAgree', () => {
  test.each([
    ['<answer>3</answer>', '3'],
    ['3', '<answer> 3 </answer>'],
    ['Red', 'red'],
    ['red.', 'red'],
    [' bottom \n left ', 'Bottom left'],
    ['3.0', '3'],
    ['3.', '3'],
    ['+3', '3'],
    ['- 3', '-3'],
    ['\u22123', '-3'],
    ['1,000', '1000'],
    ['1,234,567.50', '1234567.5'],
    ['.5', '1/2'],
    ['2/4', '0.5'],
    ['\\frac{1}{2}', '0.5'],
    ['-\\dfrac{3}{6}', '-1/2'],
    ['1e3', '1000'],
    ['2.5E-1', '0.25'],
    ['50%', '50'],
    ['50\\%', '50 %'],
    ['90^\\circ', '90'],
    ['90\u00b0', '90'],
    ['$12$', '12'],
    ['$1,200', '1200'],
    ['\\text{blue}', 'blue'],
    ['0.1', '0.10'],
    ['00012', '12'],
    ['(A)', 'A'],
    ['A', '(a)'],
    ['A.', 'A'],
    ['A) 12 cm', 'A'],
    ['B: a dog', '(B)'],
    ['C. the red one', 'C'],
  ])('%j agrees with %j', (completion, truth) => {
    expect(answersAgree(completion, truth)).toBe(true)
  })

  test.each([
    ['3', '4'],
    ['3 or 4', '3'],
    ['33', '3'],
    ['1 2', '12'],
    ['1,00', '100'],
    ['1,2', '12'],
    ['0.30000000000000004', '0.3'],
    ['1/0', '1'],
    ['1/3', '0.3333'],
    ['', ''],
    ['.', '..'],
    ['<answer></answer>', ''],
    ['<answer>3', '3'],
    ['A dog', 'A'],
    ['AB', 'A'],
    ['(A) (B)', 'B'],
    ['dog', 'A'],
    ['not red', 'red'],
    ['<answer>2</answer><answer>3</answer>', '2'],
    ['1e999', '1e998'],
    ['NaN', 'Infinity'],
    ['0x10', '16'],
    ['__proto__', 'constructor'],
  ])('%j differs from %j', (completion, truth) => {
    expect(answersAgree(completion, truth)).toBe(false)
  })

  test('any text agrees with itself unless it is blank', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 200 }), (text) => {
        const answer = extractAnswer(text)
        expect(answersAgree(text, text)).toBe(answer !== '')
      }),
    )
  })

  test('any two decimals agree exactly when they are the same number', () => {
    const decimal = fc.tuple(fc.integer(), fc.integer({ min: 0, max: 6 }), fc.integer({ min: 0, max: 4 }))
    const text = ([value, places, zeros]: [number, number, number]) => {
      const digits = String(Math.abs(value)).padStart(places + 1, '0')
      const whole = digits.slice(0, digits.length - places)
      return `${value < 0 ? '-' : ''}${whole}.${digits.slice(digits.length - places)}${'0'.repeat(zeros)}`
    }
    fc.assert(
      fc.property(decimal, decimal, (a, b) => {
        const same = BigInt(a[0]) * 10n ** BigInt(b[1]) === BigInt(b[0]) * 10n ** BigInt(a[1])
        expect(answersAgree(text(a), text(b))).toBe(same)
        expect(answersAgree(text(a), text([a[0], a[1], a[2] + 1]))).toBe(true)
      }),
    )
  })
})

describe('hostile text', () => {
  const pieces = [
    '<answer>',
    '</answer>',
    '<think>',
    '</think>',
    '\\boxed{',
    '{',
    '}',
    '\\',
    '\\frac',
    '/',
    '9',
    ',',
    '.',
    'e',
    ' ',
    '\n',
    '$',
    '\\text{',
    '(',
    ')',
    'a',
    '\0',
    '\ud800',
    '\ufdfa',
  ]
  const soup = fc.array(fc.constantFrom(...pieces), { maxLength: 60 }).map((parts) => parts.join(''))

  test('never throws and always scores 0 or 1', () => {
    fc.assert(
      fc.property(soup, soup, (completion, answer) => {
        expect([0, 1]).toContain(accuracy.score(input(completion, answer)))
      }),
      { numRuns: 2000 },
    )
  })

  test.each([
    ['open tags', '<answer>'.repeat(200_000)],
    ['close tags', '</answer>'.repeat(200_000)],
    ['tag pairs', '<answer></answer>'.repeat(100_000)],
    ['boxes', '\\boxed{'.repeat(200_000)],
    ['backslashes', `\\boxed{${'\\'.repeat(1_000_000)}`],
    ['digits', '9'.repeat(2_000_000)],
    ['digits in a short answer', `<answer>${'9'.repeat(1_900)}</answer>`],
    ['thousands', `<answer>${'1,000'.repeat(390)}</answer>`],
    ['spaces', `<answer>${' '.repeat(1_000_000)}</answer>`],
    ['texts', `<answer>${'\\text{'.repeat(300)}</answer>`],
    ['exponent', '1e9999'],
    ['negative exponent', '1e-9999'],
    ['large power over large power', `${'1e400'}/${'1e-400'}`],
    ['fractions', '\\frac{'.repeat(100_000)],
    ['expanding characters', '\ufdfa'.repeat(1_900)],
  ])('%s take no time', (_, text) => {
    const started = performance.now()
    for (const answer of ['3', text]) accuracy.score(input(text, answer))
    expect(performance.now() - started).toBeLessThan(500)
  })
})

test('a row without an answer is not judged', () => {
  expect(accuracy.score(input('3', null))).toBeNull()
})
