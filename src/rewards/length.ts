/**
 * `length`: 1 for completions within a range of tokens, falling in a straight line to 0 outside it:
 *
 *        1 |      ________
 *          |     /        \
 *        0 |____/          \____
 *            min - falloff  max + falloff
 */

import { whole } from '../core/parameters.ts'
import { defineReward } from './define.ts'

export const length = defineReward({
  name: 'length',
  description: '1 for min to max tokens, falling to 0 over falloff tokens outside.',
  parameters: {
    min: whole(0, 'Shortest completion with the full score, in tokens.'),
    max: whole(1024, 'Longest completion with the full score, in tokens.'),
    falloff: whole(128, 'Tokens over which the score falls to 0; 0 = at once.'),
  },
  score({ completionTokens }, { min, max, falloff }) {
    const outside = Math.max(min - completionTokens, completionTokens - max, 0)
    if (outside === 0) return 1
    return falloff === 0 ? 0 : Math.max(0, 1 - outside / falloff)
  },
})
