/** The built-in rewards. A new one is a file with `defineReward(...)` and one line here. */
import { accuracy } from './accuracy.ts'
import { choice } from './choice.ts'
import { cosine } from './cosine.ts'
import { counting } from './counting.ts'
import { exact } from './exact.ts'
import { format } from './format.ts'
import { keySteps } from './key_steps.ts'
import { length } from './length.ts'
import { math } from './math_equivalence.ts'
import { numeric } from './numeric.ts'
import { numericSmooth } from './numeric_smooth.ts'
import { ocr } from './ocr.ts'
import { overlong } from './overlong.ts'
import { refusal } from './refusal.ts'
import { regression } from './regression.ts'
import { repetition } from './repetition.ts'
import { rouge } from './rouge.ts'
import { searchMatch } from './search_match.ts'
import { tagCount } from './tag_count.ts'
import { yesNo } from './yes_no.ts'

export type { Reward, RewardDefinition, RewardInput } from './define.ts'
export { defineReward } from './define.ts'

export const rewards = {
  accuracy,
  math,
  exact,
  choice,
  yes_no: yesNo,
  numeric,
  numeric_smooth: numericSmooth,
  regression,
  counting,
  ocr,
  rouge,
  search_match: searchMatch,
  key_steps: keySteps,
  refusal,
  format,
  tag_count: tagCount,
  length,
  overlong,
  cosine,
  repetition,
}
export type RewardName = keyof typeof rewards
