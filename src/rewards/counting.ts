/** `counting`: 1 for the right whole number; with `smooth`, less for a near one. Number words up to twenty count too. */

import { flag } from '../core/parameters.ts'
import { defineReward } from './define.ts'
import { extractAnswer } from './extract.ts'
import { numberIn } from './numbers.ts'
import { wordsOf } from './words.ts'

const spelled = (
  'zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen ' +
  'eighteen nineteen twenty'
).split(' ')

export const counting = defineReward({
  name: 'counting',
  description: '1 when the answer is the true count, else 0.',
  parameters: { smooth: flag(false, 'Give max(0, 1 - |x - t| / max(t, 1)) for a wrong count.') },
  score({ completion, answer }, { smooth }) {
    const t = answer === null ? null : countIn(answer)
    if (t === null) return null
    const x = countIn(completion)
    if (x === null) return 0
    if (x === t) return 1
    return smooth ? Math.max(0, 1 - Math.abs(x - t) / Math.max(Math.abs(t), 1)) : 0
  },
})

function countIn(text: string): number | null {
  const number = numberIn(text)
  if (number !== null) return number
  const word = wordsOf(extractAnswer(text), 500).findLast((candidate) => spelled.includes(candidate))
  return word === undefined ? null : spelled.indexOf(word)
}
