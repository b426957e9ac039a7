/** Inputs of reward functions for tests: everything has a plain default. */
import type { RewardInput } from '../../src/rewards/define.ts'

export const rewardInput = (completion: string, more: Partial<RewardInput> = {}): RewardInput => ({
  completion,
  completionTokens: 1,
  finish: 'eos',
  messages: [],
  images: [],
  answer: null,
  columns: {},
  id: 'rows.jsonl:1',
  ...more,
})
