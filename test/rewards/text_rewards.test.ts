/** Rewards of words and numbers against values worked out by hand. */
import { describe, expect, test } from 'vitest'
import { defaultsOf } from '../../src/core/parameters.ts'
import type { StepScores } from '../../src/rewards/define.ts'
import { rewards } from '../../src/rewards/index.ts'
import { numberIn, numbersIn } from '../../src/rewards/numbers.ts'
import { commonSubsequence, editsBetween } from '../../src/rewards/words.ts'
import { rewardInput } from '../harness/reward_input.ts'

const { exact, choice, yes_no, numeric, numeric_smooth, regression, counting, ocr, rouge } = rewards
const { search_match, refusal, key_steps } = rewards

test.each([
  ['5', 5],
  ['1,250 km', 1250],
  ['<answer>about 1,250 or 1,300</answer>', 1300],
  ['\\boxed{\\frac{1}{4}}', 0.25],
  ['3/4', 0.75],
  ['$12.50', 12.5],
  ['20%', 20],
  ['-1.5e3', -1500],
  ['none', null],
  ['', null],
])('the number in %j is %j', (text, number) => {
  expect(numberIn(text)).toBe(number)
})

test('numbers of a text, in order', () => {
  expect(numbersIn('from 1,000 to -2.5, not 3')).toEqual([1000, -2.5, 3])
  expect(numbersIn('1 2 3', 2)).toEqual([1, 2])
})

test('edit distance and longest common subsequence', () => {
  expect(editsBetween([...'kitten'], [...'sitting'])).toBe(3)
  expect(editsBetween([], [...'abc'])).toBe(3)
  expect(commonSubsequence([...'ABCBDAB'], [...'BDCABA'])).toBe(4)
})

describe('exact', () => {
  const score = (completion: string, answer: string | null, ignoreCase = false) =>
    exact.score(rewardInput(completion, { answer }), { ...defaultsOf(exact.parameters), ignoreCase })
  test.each([
    ['<answer> a  cat </answer>', 'a cat', 1],
    ['A cat', 'a cat', 0],
    ['a cat.', 'a cat', 0],
    ['a cat', null, null],
  ])('%j against %j: %j', (completion, answer, expected) => {
    expect(score(completion, answer)).toBe(expected)
  })
  test('ignoring case', () => expect(score('A Cat', 'a cat', true)).toBe(1))
  test('another column is the truth', () => {
    const input = rewardInput('7', { answer: '8', columns: { label: 7 } })
    expect(exact.score(input, { ignoreCase: false, column: 'label' })).toBe(1)
  })
})

describe('choice', () => {
  const score = (completion: string, answer: string, partial = false) =>
    choice.score(rewardInput(completion, { answer }), { partial })
  test.each([
    ['B', 'B', 1],
    ['<answer>(B)</answer>', 'B', 1],
    ['B. a cat', '(B)', 1],
    ['\\boxed{\\text{B}}', 'B', 1],
    ['The answer is (B) because', 'B', 1],
    ['<think>A?</think>B: dog', 'B', 1],
    ['A cat sits', 'A', 0],
    ['A and C', 'A,C', 1],
    ['C, A', 'AC', 1],
    ['A', 'A,C', 0],
    ['A, B, C, D', 'B', 0],
    ['', 'B', 0],
    ['B', 'none of these', null],
  ])('%j against %j: %j', (completion, answer, expected) => {
    expect(score(completion, answer)).toBe(expected)
  })
  test('part of the letters', () => {
    expect(score('A', 'A,C', true)).toBe(0.5)
    expect(score('A,B', 'A,C', true)).toBe(0)
  })
})

test.each([
  ['Yes, it is.', 'yes', 1],
  ['<answer>No</answer>', 'false', 1],
  ['true', 'No', 0],
  ['yes and no', 'yes', 0],
  ['I cannot tell', 'yes', 0],
  ['yes', 'maybe', null],
])('yes_no: %j against %j: %j', (completion, answer, expected) => {
  expect(yes_no.score(rewardInput(completion, { answer }))).toBe(expected)
})

describe('numbers', () => {
  const on = (completion: string, answer: string) => rewardInput(completion, { answer })
  test('numeric: within a tolerance', () => {
    const values = { ...defaultsOf(numeric.parameters), relative: 0.05, absolute: 0.1 }
    expect(numeric.score(on('105', '100'), values)).toBe(1)
    expect(numeric.score(on('105.2', '100'), values)).toBe(0)
    expect(numeric.score(on('0.1', '0'), values)).toBe(1)
    expect(numeric.score(on('a lot', '100'), values)).toBe(0)
    expect(numeric.score(on('5', 'unknown'), values)).toBeNull()
  })
  test('numeric_smooth: exp(-error / scale)', () => {
    expect(numeric_smooth.score(on('100', '100'))).toBe(1)
    expect(numeric_smooth.score(on('110', '100'))).toBeCloseTo(Math.exp(-1), 12)
    expect(numeric_smooth.score(on('0.05', '0'))).toBeCloseTo(Math.exp(-0.5), 12)
    expect(numeric_smooth.score(on('none', '100'))).toBe(0)
  })
  test('regression: one minus the relative error', () => {
    expect(regression.score(on('80', '100'))).toBeCloseTo(0.8, 9)
    expect(regression.score(on('300', '100'))).toBe(0)
    expect(regression.score(on('0', '0'))).toBe(1)
    expect(regression.score(on('no', '100'))).toBe(0)
  })
  test('counting, in digits and words', () => {
    expect(counting.score(on('There are 3 cats', '3'))).toBe(1)
    expect(counting.score(on('There are three cats', '3'))).toBe(1)
    expect(counting.score(on('4', '3'))).toBe(0)
    expect(counting.score(on('4', '5'), { smooth: true })).toBeCloseTo(0.8, 12)
    expect(counting.score(on('90', '5'), { smooth: true })).toBe(0)
  })
})

describe('ocr', () => {
  const score = (completion: string, answer: string, unit: 'words' | 'characters' = 'words') =>
    ocr.score(rewardInput(completion, { answer }), { unit, ignoreCase: false })
  test('word error rate', () => {
    expect(score('the cat sat', 'the cat sat')).toBe(1)
    expect(score('the hat sat', 'the cat sat')).toBeCloseTo(2 / 3, 12)
    expect(score('the sat', 'the cat sat')).toBeCloseTo(2 / 3, 12)
    expect(score('x y z', 'a b')).toBe(0)
    expect(score('', 'a b')).toBe(0)
  })
  test('character error rate', () => {
    expect(score('kitten', 'sitting', 'characters')).toBeCloseTo(1 - 3 / 7, 12)
  })
})

describe('rouge', () => {
  const score = (completion: string, answer: string) => rouge.score(rewardInput(completion, { answer }))
  test('mean of ROUGE-1, -2 and -L', () => {
    expect(score('The cat sat.', 'the cat sat')).toBe(1)
    // truth: the cat sat on the mat (6); given: the cat on mat (4). R1: 2*4/10; R2: the-cat of 5 and 3: 2*1/8; LCS 4: 2*4/10
    expect(score('the cat on mat', 'the cat sat on the mat')).toBeCloseTo((0.8 + 0.25 + 0.8) / 3, 12)
    expect(score('dog', 'the cat')).toBe(0)
    expect(score('', 'the cat')).toBe(0)
    expect(score('the cat', '?!')).toBeNull()
  })
})

describe('search_match', () => {
  const score = (completion: string, answer: string, match: 'exact' | 'contains' = 'exact') =>
    search_match.score(rewardInput(completion, { answer }), { match, column: '' })
  test.each([
    ['<answer>The Beatles!</answer>', 'beatles', 1],
    ['beatles band', 'beatles', 0],
    ['U.S.A', '["usa", "united states"]', 1],
    ['paris', '["usa"]', 0],
    ['paris', '!!', null],
  ])('%j against %j: %j', (completion, answer, expected) => {
    expect(score(completion, answer)).toBe(expected)
  })
  test('containing', () => {
    expect(score('it was the Beatles in 1960', 'Beatles', 'contains')).toBe(1)
    expect(score('beatlesque', 'Beatles', 'contains')).toBe(0)
  })
  test('a list in a column', () => {
    const input = rewardInput('Rome', { columns: { golden_answers: ['rome', 'roma'] } })
    expect(search_match.score(input, { match: 'exact', column: 'golden_answers' })).toBe(1)
  })
})

test.each([
  ["I'm sorry, but I can't help with that.", true, 1],
  ['<think>bad</think>I cannot assist.', 'yes', 1],
  ['Sure: first you', true, 0],
  ['The capital is Paris', false, 1],
  ['I’m sorry, no', 0, 0],
  ['', false, 0],
  ['', true, 0],
  ['text', undefined, null],
])('refusal: %j on harmful=%j: %j', (completion, harmful, expected) => {
  expect(refusal.score(rewardInput(completion, { columns: { harmful } }))).toBe(expected)
})

describe('key_steps', () => {
  const text = '### Step 1: Area is 5 x 4\n### Step 2: so 20 cm\n### The final answer is: 20'
  const judge = (key: unknown, completion = text, within: 'steps' | 'thinking' | 'completion' = 'steps') =>
    key_steps.score(rewardInput(completion, { columns: { key_steps: key } }), {
      ...{ column: 'key_steps', within },
    }) as StepScores | null
  const score = (key: unknown, completion = text) => judge(key, completion)?.score
  test('the share of key steps in the bodies of the steps', () => {
    expect(score(['area is 5 X 4', ['20 m', '20 cm'], 'perimeter', 'final answer'])).toBe(0.5)
    expect(score({ Steps: ['area'] })).toBe(1)
    expect(score('{"Steps": ["area", "none"]}')).toBe(0.5)
    expect(score(['area'], 'area without steps')).toBe(0)
    expect(judge([''])).toBeNull()
    expect(judge(undefined)).toBeNull()
  })
  test('each key step is earned by the step where it stands first, and they add up to the score', () => {
    const [first, second] = [text.indexOf('\n'), text.indexOf('\n### The')]
    const key = ['area', 'so', '20 cm', 'none']
    expect(judge(key)).toEqual({
      score: 0.75,
      steps: [
        { end: first, reward: 0.25 },
        { end: second, reward: 0.5 },
      ],
    })
    expect(judge(['x 4\nso'])!.steps.map(({ reward }) => reward)).toEqual([0, 1]) // over two steps: the last
    expect(judge(['area'], 'no steps')!.steps).toEqual([])
  })
  test('without numbered steps each line is one', () => {
    expect(judge(['two', 'ONE'], 'one\n\n two</think> one two', 'thinking')!.steps).toEqual([
      { end: 3, reward: 0.5 },
      { end: 9, reward: 0.5 },
    ])
    expect(judge(['b'], Array.from({ length: 300 }, () => 'a').join('\n'), 'completion')!.steps).toHaveLength(200)
  })
})
