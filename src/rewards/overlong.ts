/**
 * `overlong`: DAPO's soft punishment of length L:
 *
 *     0                              L <= maxTokens - cache
 *     (maxTokens - cache - L)/cache  up to maxTokens
 *     -1                             beyond
 */

import { whole } from '../core/parameters.ts'
import { defineReward } from './define.ts'

export const overlong = defineReward({
  name: 'overlong',
  description: '0 for short completions, falling to -1 over the last cache tokens before maxTokens.',
  parameters: {
    maxTokens: whole(1024, 'Length from which the punishment is full.', 1),
    cache: whole(256, 'Tokens before it over which the punishment grows; 0 = at once.'),
  },
  score({ completionTokens }, { maxTokens, cache }) {
    const over = completionTokens - (maxTokens - cache)
    if (over <= 0) return 0
    return completionTokens > maxTokens || cache === 0 ? -1 : -over / cache
  },
})
