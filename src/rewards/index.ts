/** The built-in rewards. A new one is a file with `defineReward(...)` and one line here. */
import { accuracy } from './accuracy.ts'
import { boxIou } from './box_iou.ts'
import { boxIouSquared } from './box_iou_squared.ts'
import { choice } from './choice.ts'
import { cosine } from './cosine.ts'
import { counting } from './counting.ts'
import { detection } from './detection.ts'
import { exact } from './exact.ts'
import { format } from './format.ts'
import { guiAction } from './gui_action.ts'
import { jsonSchema } from './json_schema.ts'
import { keySteps } from './key_steps.ts'
import { layout } from './layout.ts'
import { length } from './length.ts'
import { math } from './math_equivalence.ts'
import { numeric } from './numeric.ts'
import { numericSmooth } from './numeric_smooth.ts'
import { ocr } from './ocr.ts'
import { overlong } from './overlong.ts'
import { pointInBox } from './point_in_box.ts'
import { refusal } from './refusal.ts'
import { regression } from './regression.ts'
import { repetition } from './repetition.ts'
import { rouge } from './rouge.ts'
import { searchMatch } from './search_match.ts'
import { tagCount } from './tag_count.ts'
import { temporalIou } from './temporal_iou.ts'
import { tracking } from './tracking.ts'
import { yesNo } from './yes_no.ts'

export type { Reward, RewardDefinition, RewardInput, StepScores } from './define.ts'
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
  box_iou: boxIou,
  box_iou_squared: boxIouSquared,
  detection,
  point_in_box: pointInBox,
  gui_action: guiAction,
  tracking,
  temporal_iou: temporalIou,
  layout,
  json_schema: jsonSchema,
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

/** The built-in rewards that judge steps beside the whole. */
export const stepRewards: readonly string[] = ['key_steps']
