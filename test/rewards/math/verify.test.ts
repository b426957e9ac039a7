/** What the maths verifier holds equal and what it does not, by kind of answer. */
import { describe, expect, test } from 'vitest'
import { readAnswer, verifyMath } from '../../../src/rewards/math/verify.ts'

const box = (answer: string) => `so it is \\boxed{${answer}}`

describe('same', () => {
  test.each([
    // numbers
    ['1/2', '0.5'],
    ['0.5', '\\frac12'],
    ['\\frac{1}{3}', '0.333333'],
    ['\\pi', '3.141593'],
    ['1.5', '1\\frac{1}{2}'],
    ['1000', '1,000'],
    ['1234567', '1{,}234{,}567'],
    ['-7', '−7'],
    ['2^{10}', '1024'],
    ['2^{-3}', '\\dfrac{1}{8}'],
    ['120', '5!'],
    ['10', '\\binom{5}{2}'],
    // units and percents
    ['5', '5\\text{ cm}'],
    ['12 cm^2', '12'],
    ['90', '90^\\circ'],
    ['20\\%', '0.2'],
    ['20\\%', '20'],
    ['20', '20\\%'],
    ['5', '\\$5'],
    ['5 cm', '5\\text{ centimeters}'],
    ['12 \\text{ cm}^2', '12 cm^2'],
    // irrational and complex
    ['\\sqrt{8}', '2\\sqrt{2}'],
    ['\\frac{1}{\\sqrt{2}}', '\\frac{\\sqrt2}{2}'],
    ['\\sqrt[3]{-8}', '-2'],
    ['e^{i\\pi}', '-1'],
    ['(1+i)^2', '2i'],
    ['\\ln e^2', '2'],
    ['\\log_2 8', '3'],
    ['\\sin\\frac{\\pi}{6}', '1/2'],
    ['\\sum_{k=1}^{10} k', '55'],
    // symbolic
    ['(x+1)^2', 'x^2+2x+1'],
    ['\\frac{x^2-1}{x-1}', 'x+1'],
    ['2\\sin x\\cos x', '\\sin 2x'],
    ['a^m a^n', 'a^{m+n}'],
    ['\\ln(ab)', '\\ln a + \\ln b'],
    ['x^{10}', 'x^10'],
    // relations
    ['5', 'x=5'],
    ['x=5', '5'],
    ['y=2x+1', '2x-y+1=0'],
    ['x<3', '3>x'],
    ['-2\\le x\\le 7', '[-2,7]'],
    ['f(x)=x^2', 'x^2'],
    ['y=x+1', 'x+1'],
    // collections
    ['\\{1,2,3\\}', '\\{3,1,2\\}'],
    ['1,2', '2\\text{ and }1'],
    ['\\{2,-2\\}', '\\pm 2'],
    ['x=2\\pm\\sqrt3', 'x=2-\\sqrt3,x=2+\\sqrt3'],
    ['(1,2)', '(x,y)=(1,2)'],
    ['(-\\infty,1]\\cup(2,\\infty)', '(2,\\infty)\\cup(-\\infty,1]'],
    ['\\mathbb{R}', '(-\\infty,\\infty)'],
    ['(1,2,3)', '\\langle 1,2,3\\rangle'],
    ['\\begin{pmatrix}1\\\\2\\end{pmatrix}', '\\begin{bmatrix}1\\\\\\frac{4}{2}\\end{bmatrix}'],
    // words
    ['\\text{Even}', 'even'],
    ['(C)', '\\text{C}'],
    ['201_3', '201_{3}'],
  ])('%s and %s', (truth, answer) => {
    expect(verifyMath(`$${truth}$`, box(answer))).toBe(true)
  })
})

describe('different', () => {
  test.each([
    ['\\pi', '3.14159'],
    ['\\pi', '3.14'],
    ['\\frac{1}{3}', '0.33'],
    ['0.1', '0.1000000001'],
    ['1000000', '1000001'],
    ['0', 'e^{-50}'],
    ['0', '10^{-30}'],
    ['5', '5.000001'],
    ['20', '0.2'],
    ['2', '-2'],
    ['4', '4\\sqrt{2}'],
    ['x', 'x+10^{-9}'],
    ['x', '|x|'],
    ['x^2', '2^x'],
    ['x', 'y'],
    ['x=5', 'x=6'],
    ['x=5', 'y=5'],
    ['5', '2x=5'],
    ['2x+4y=3', '3'],
    ['x<3', 'x\\le 3'],
    ['x<3', 'x>3'],
    ['x>1', '-x>-1'],
    ['1=2', '3=5'],
    ['(1,2)', '(2,1)'],
    ['(1,2)', '[1,2]'],
    ['[0,1)', '(0,1)'],
    ['\\{1,2\\}', '\\{1,2,3\\}'],
    ['\\{1,2,3\\}', '\\{1,2\\}'],
    ['1,2', '1'],
    ['1', '1,2'],
    ['\\pm 2', '2'],
    ['\\begin{pmatrix}1&2\\end{pmatrix}', '\\begin{pmatrix}1\\\\2\\end{pmatrix}'],
    ['\\infty', '-\\infty'],
    ['\\infty', '10^{300}'],
    ['A', 'B'],
    ['201_3', '201_4'],
    ['201_3', '201'],
    ['\\text{odd}', '\\text{even}'],
    ['5', ''],
    // units that differ
    ['5 m', '5 km'],
    ['5\\text{ cm}', '5\\text{ mm}'],
    ['12\\text{ cm}^2', '12\\text{ cm}^3'],
    // terms that cancel must not make a value so uncertain that it equals everything
    ['5', '10^{20}\\pi-10^{20}\\pi+7'],
    ['5', '10^{30}\\sqrt2-10^{30}\\sqrt2'],
    ['x', '10^{20}\\pi x-10^{20}\\pi x'],
    ['x=5', '10^{20}\\pi x-10^{20}\\pi x=7'],
    ['1/0', '2/0'],
  ])('%s and %s', (truth, answer) => {
    expect(verifyMath(`$${truth}$`, box(answer))).toBe(false)
  })

  test('a table row that is known to be wrong upstream stays unequal: 1 - 1/e and 1 + 1/e', () => {
    expect(verifyMath('$1-\\frac{1}{e}$', box('1+\\frac{1}{e}'))).toBe(false)
  })
})

describe('where the answer is looked for', () => {
  test.each([
    ['<think>\\boxed{4}</think><answer>5</answer>', '5'],
    ['<think>the answer is 4</think> It is \\boxed{5}.', '5'],
    ['first \\boxed{4}, no: \\boxed{x} and then \\boxed{5}', '5'],
    ['\\boxed{1} is wrong. The final answer is $5$.', '5'],
    ['The answer is $4$, or rather \\boxed{5}', '5'],
    ['we get 3 and then 5', '5'],
    ['it costs $5', '5'],
    ['nothing here', null],
    ['', null],
  ])('%s', (text, answer) => {
    expect(verifyMath('5', text)).toBe(answer === '5')
    if (answer !== null) expect(readAnswer(text)).toContain(answer)
  })

  test('naming every number gains nothing', () => {
    const guesses = Array.from({ length: 30 }, (_, k) => `\\boxed{${k}}`)
    expect(verifyMath('7', guesses.join(' '))).toBe(false)
    expect(verifyMath('7', guesses.join(' text '))).toBe(false)
    expect(verifyMath('7', `$${guesses.join(',')}$`)).toBe(false)
  })
})

describe('options', () => {
  test('formulas only', () => {
    expect(verifyMath('$5$', 'it is 5', { expression: false })).toBe(false)
    expect(verifyMath('$5$', 'it is $5$', { expression: false })).toBe(true)
  })

  test('decimals: how many places a rounding needs', () => {
    expect(verifyMath('$\\frac{1}{3}$', box('0.33'), { decimals: 2 })).toBe(true)
    expect(verifyMath('$\\frac{1}{3}$', box('0.34'), { decimals: 2 })).toBe(false)
    expect(verifyMath('$\\frac{2}{3}$', box('0.666666'))).toBe(false)
    expect(verifyMath('$\\frac{2}{3}$', box('0.666667'))).toBe(true)
  })

  test('setRelation', () => {
    expect(verifyMath('$[-2,7]$', box('-2\\le x\\le 7'))).toBe(false)
    expect(verifyMath('$[-2,7]$', box('-2\\le x\\le 7'), { setRelation: true })).toBe(true)
    expect(verifyMath('$[-2,7]$', box('-2<x\\le 7'), { setRelation: true })).toBe(false)
  })
})
