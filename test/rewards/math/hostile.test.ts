/**
 * 10,000 fuzzed and hostile inputs, as truth and as completion: none throws, none takes 50 ms. Time is processor time of
 * the best of three, so that a busy machine does not decide the test.
 */
import { expect, test } from 'vitest'
import { verifyMath } from '../../../src/rewards/math/verify.ts'
import { randomSource } from '../../harness/random.ts'

const limitMs = 50
const times = (text: string, count: number) => text.repeat(count)
const formula = (text: string, count: number, end = '1') => `$${text.repeat(count)}${end}$`

const hostile = [
  ...['(', '{', '$', '$x', '\\(', '\\[', '\\frac{1}{', '\\boxed{', '\\boxed{1}', '\\sqrt{'].map((s) => times(s, 5_000)),
  ...['answer is ', '<answer>', '</answer>', '</think>', ' ', '\\', '9', '9,', '-', '- '].map((s) => times(s, 20_000)),
  ...['9^', '1+', 'x^2+', '(x+1)', '1,', '200!+', '\\pm 1', '|', '-', '\\{1\\}\\cup '].map((s) => formula(s, 60)),
  ...['9^', '1+', '1,', '|', '-', '2^', 'f('].map((s) => formula(s, 300)),
  `$${times('f(', 25)}x${times(')', 25)}$`,
  `$${times('\\sqrt{', 25)}2${times('}', 25)}$`,
  `$\\{${times('x+1,', 49)}y\\}$`,
  `$${times('(1,2),', 49)}(1,2)$`,
  `$\\{${times('2^{4000}+1,', 30)}1\\}$`,
  `$${times('\\sum_{k=1}^{60}', 5)}k$`,
  ...['9^{9^{9^9}}', '1000000!', '\\sum_{k=1}^{10^8}k', '2^{4000}*3^{2000}*5^{1700}/7^{1200}', '10^{400}'],
  ...[
    '(x+1)^{1000}',
    '\\sin(10^{300})',
    '\\log 0',
    '0^0',
    '1/0',
    '0/0',
    '\\binom{100000}{400}',
    '1e999',
    '\u0000',
    '𝔸',
  ],
]
const truths = ['5', '$\\frac13$', '$x^2+2x+1$', '$[0,1)\\cup(2,\\infty)$', '$2x+4y-3=0$', '1,22', '$(1,2),(3,4)$']
const pieces = [
  ...[
    '\\frac',
    '\\sqrt',
    '{',
    '}',
    '(',
    ')',
    '[',
    ']',
    '^',
    '_',
    '1',
    '99',
    '1000000',
    '0.5',
    'x',
    'n',
    'e',
    'i',
    '\\pi',
  ],
  ...[
    '\\infty',
    '+',
    '-',
    '*',
    '/',
    '!',
    '%',
    '=',
    '<',
    '\\le',
    '\\in',
    '\\cup',
    '\\pm',
    '\\sum_{k=1}^{60}',
    '\\int',
    '|',
  ],
  ...['\\sin', '\\log_2', '\\boxed{', '$', '\\(', '\\)', '\\text{a}', ',', ' and ', '&', '\\\\', '\\{', '\\}', 'f(x)'],
  ...[
    '\\begin{pmatrix}',
    '\\end{pmatrix}',
    '</answer>',
    '<answer>',
    '</think>',
    '\\binom',
    'answer is ',
    'é',
    '\\left',
  ],
]

function fuzzed(random: ReturnType<typeof randomSource>): string {
  const text = Array.from({ length: 1 + random.int(40) }, () => random.pick(pieces)).join('')
  return random.pick([text, `$${text}$`, `\\boxed{${text}}`, text.repeat(20)])
}

function milliseconds(truth: string, completion: string): number {
  const start = process.cpuUsage()
  verifyMath(truth, completion)
  const { user, system } = process.cpuUsage(start)
  return (user + system) / 1000
}

function pairs(): [string, string][] {
  const random = randomSource(7)
  const list: [string, string][] = []
  for (const text of hostile) {
    for (const truth of truths) list.push([truth, text], [text, truth], [truth, `\\boxed{${text}}`])
    list.push([text, text])
  }
  const everyTruth = [...truths, ...hostile]
  while (list.length < 10_000) list.push([random.pick(everyTruth), fuzzed(random)])
  return list
}

test('10,000 hostile inputs end at once and never throw', { timeout: 300_000 }, () => {
  const all = pairs()
  expect(all.length).toBeGreaterThanOrEqual(10_000)
  const slow = all.filter((pair) => {
    for (let attempt = 0; attempt < 3; attempt++) if (milliseconds(...pair) <= limitMs) return false
    return true
  })
  expect(slow.map(([truth, text]) => [truth.slice(0, 60), text.slice(0, 60)])).toEqual([])
})
