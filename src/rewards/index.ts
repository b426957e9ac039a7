/** The built-in rewards. A new one is a file with `defineReward(...)` and one line here. */
import { accuracy } from './accuracy.ts'
import { format } from './format.ts'
import { math } from './math_equivalence.ts'

export type { Reward, RewardDefinition, RewardInput } from './define.ts'
export { defineReward } from './define.ts'

export const rewards = { accuracy, format, math }
export type RewardName = keyof typeof rewards
