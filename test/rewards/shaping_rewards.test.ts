/** Rewards of form and length: golden values of TRL (test/fixtures/rewards/trl_shaping.json) and by hand. */
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import { defaultsOf } from '../../src/core/parameters.ts'
import { rewards } from '../../src/rewards/index.ts'
import { rewardInput } from '../harness/reward_input.ts'

const golden: {
  cosine: { tokens: number; right: number; wrong: number }[]
  overlong: { tokens: number; score: number }[]
  repetition: { size: number; text: string; score: number }[]
} = JSON.parse(readFileSync(path.join(import.meta.dirname, '../fixtures/rewards/trl_shaping.json'), 'utf8'))
const { cosine, overlong, repetition, length, tag_count, format } = rewards

test.each(golden.cosine)('cosine at $tokens tokens', ({ tokens, right, wrong }) => {
  const score = (completion: string) => cosine.score(rewardInput(completion, { answer: '5', completionTokens: tokens }))
  expect(score('\\boxed{5}')).toBeCloseTo(right, 12)
  expect(score('\\boxed{6}')).toBeCloseTo(wrong, 12)
})

test('cosine: a wrong answer never earns what a right one does, and endless text earns no more', () => {
  const at = (tokens: number, answer: string) =>
    cosine.score(rewardInput('5', { answer, completionTokens: tokens })) as number
  for (const tokens of [0, 512, 1024, 2048, 4096]) expect(at(tokens, '6')).toBeLessThan(at(tokens, '5'))
  expect(at(2048, '5')).toBe(at(1024, '5'))
})

test.each(golden.overlong)('overlong at $tokens tokens', ({ tokens, score }) => {
  expect(overlong.score(rewardInput('', { completionTokens: tokens }), { maxTokens: 100, cache: 20 })).toBeCloseTo(
    score,
    12,
  )
})

test.each(golden.repetition)('repetition of $size-grams in "$text"', ({ size, text, score }) => {
  expect(repetition.score(rewardInput(text), { size, penalty: -0.5 })).toBeCloseTo(score, 12)
})

test.each([
  [0, 0.5],
  [10, 1],
  [20, 1],
  [30, 0.5],
  [40, 0],
  [90, 0],
])('length: %i tokens score %f', (completionTokens, score) => {
  expect(length.score(rewardInput('', { completionTokens }), { min: 10, max: 20, falloff: 20 })).toBeCloseTo(score, 12)
})

test.each([
  ['<think>a</think><answer>b</answer>', 1],
  ['<think>a</think>', 0.5],
  ['<think><think>a</think><answer>', 0.5],
  ['', 0],
])('tag_count: %j scores %f', (completion, score) => {
  expect(tag_count.score(rewardInput(completion))).toBe(score)
})

test('tag_count with tags on lines of their own', () => {
  const tags = ['<think>\n', '\n</think>\n']
  expect(tag_count.score(rewardInput('<think>\na\n</think>b'), { tags })).toBe(0.5)
})

const steps = (middle: string) => `### Image Description: a\n### Rationales: b\n${middle}\n### The final answer is: 5`

describe('format', () => {
  test.each([
    ['think-answer', '<think>a</think> <answer>b</answer>', 1],
    ['think-answer', 'x<think>a</think><answer>b</answer>', 0],
    ['think', '<think>a</think>b', 1],
    ['think', '<think>a</think>', 0],
    ['think', '<think>a<think>b</think>c', 0],
    ['think', 'b', 0],
    ['think-boxed', '<think>a</think>so \\boxed{5}', 1],
    ['think-boxed', '<think>\\boxed{5}</think>so', 0],
    ['answer', 'so <answer>5</answer>.', 1],
    ['answer', '<answer>4</answer><answer>5</answer>', 0],
    ['answer', '</answer><answer>', 0],
    ['boxed', 'so \\boxed{\\frac{1}{2}}', 1],
    ['boxed', 'so \\boxed{5', 0],
    ['no-think', 'B', 1],
    ['no-think', '<think></think>B', 0],
    ['steps', steps('### Step 1: a\n### Step 2: b'), 1],
    ['steps', steps('### Step 1: a\n### Step 3: b'), 0],
    ['steps', steps('### Step 2: a\n### Step 1: b'), 0],
    ['steps', '### The final answer is: 5\n### Image Description: a\n### Rationales: b\n### Step 1: c', 0],
    ['steps', steps('no steps'), 0],
  ] as const)('%s: %j scores %i', (style, completion, score) => {
    expect(format.score(rewardInput(completion), { style })).toBe(score)
  })

  test('the shape of DeepSeek-R1 is the default', () => {
    expect(defaultsOf(format.parameters).style).toBe('think-answer')
  })
})
