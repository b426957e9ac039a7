/** The mathematics of reinforcement fine-tuning in plain TypeScript: pure functions of numbers. */

export { type AdvantageScale, type GroupAdvantageOptions, groupAdvantage, meanStd } from './advantage/group.ts'
export { k3, MAX_LOG_RATIO } from './kl/k3.ts'
export { type Aggregation, aggregationWeights } from './loss/aggregate.ts'
export { type ClipLossInput, type ClipLossOutput, clipLoss } from './loss/clip.ts'
export { learningRate, type Schedule, type ScheduleKind } from './schedule.ts'
