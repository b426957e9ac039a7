/**
 * `cosine`: right answers earn more when they are short, wrong ones lose less when they are long (demystify-long-CoT,
 * as in TRL):
 *
 *     low + (high - low) (1 + cos(pi min(length, maxTokens) / maxTokens)) / 2
 *     right: high = rightShort, low = rightLong;   wrong: high = wrongShort, low = wrongLong
 *
 * Beyond `maxTokens` the score stays where it is; a cosine that goes on would pay for endless text.
 */

import { choice, decimal, whole } from '../core/parameters.ts'
import { answersAgree } from './accuracy.ts'
import { defineReward } from './define.ts'
import { verifyMath } from './math/verify.ts'

export const cosine = defineReward({
  name: 'cosine',
  description: 'Cosine of the length between four values: right or wrong, short or long.',
  parameters: {
    rightShort: decimal(1, 'Score of a right answer of no length.'),
    rightLong: decimal(0.5, 'Score of a right answer of maxTokens or more.'),
    wrongShort: decimal(-1, 'Score of a wrong answer of no length.'),
    wrongLong: decimal(-0.5, 'Score of a wrong answer of maxTokens or more.'),
    maxTokens: whole(1024, 'Length at which the cosine has run its half turn.', 1),
    judge: choice(['math', 'accuracy'], 'Which reward decides what is right.'),
  },
  score({ completion, completionTokens, answer }, values) {
    if (answer === null) return null
    const agree = values.judge === 'math' ? verifyMath : (truth: string, text: string) => answersAgree(text, truth)
    const right = agree(answer, completion)
    const [high, low] = right ? [values.rightShort, values.rightLong] : [values.wrongShort, values.wrongLong]
    const turn = Math.min(completionTokens, values.maxTokens) / values.maxTokens
    return low + ((high - low) * (1 + Math.cos(Math.PI * turn))) / 2
  },
})
