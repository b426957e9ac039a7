/** The mathematics of reinforcement fine-tuning in plain TypeScript: pure functions of numbers. */

export {
  type AdvantageOptions,
  type AdvantageScale,
  meanStd,
  type RewardColumns,
} from './advantage/define.ts'
export { gae } from './advantage/gae.ts'
export { gdpo, standardize } from './advantage/gdpo.ts'
export { groupAdvantage } from './advantage/group_advantage.ts'
export { groupRules } from './advantage/index.ts'
export { whiten } from './advantage/whiten.ts'
export { adaptEntropy, appliedEntropyCoef, type EntropyState } from './entropy/controller.ts'
export { highEntropyMask } from './entropy/mask.ts'
export type { KlEstimator } from './kl/estimators.ts'
export { klEstimators } from './kl/index.ts'
export { adaptKlCoef, klCoef } from './kl/schedule.ts'
export { type Aggregation, aggregations, aggregationWeights, type BatchTotals, totalsOf } from './loss/aggregate.ts'
export { type CompletionSummary, MAX_LOG_RATIO } from './loss/define.ts'
export { losses, lossMetrics } from './loss/index.ts'
export { type PolicyLossColumns, type PolicyLossColumnsOut, policyLoss } from './loss/policy_loss.ts'
export { explainedVariance, valueLoss } from './loss/value.ts'
export { covariances, largestCovariances, sampledCovariances } from './mask/covariance.ts'
export { importanceRatio } from './mask/importance.ts'
export { learningRate, type Schedule, type ScheduleKind } from './schedule.ts'
export { cosineLength, repetition, softOverlong } from './shaping/length.ts'
