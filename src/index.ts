/**
 * Reinforcement fine-tuning of multimodal language models.
 *
 * @example
 * import { GrpoTrainer, loadModel, defineReward } from 'rft'
 * const short = defineReward({ name: 'short', score: ({ completionTokens }) => (completionTokens <= 40 ? 1 : 0) })
 * await using trainer = await GrpoTrainer.open({ model, dir: 'runs/a', train: ['rows.jsonl'], rewards: [short], steps: 100 })
 * for await (const { step, reward } of trainer.steps()) console.log(step, reward)
 *
 * @example
 * import { loadConfig, train } from 'rft'
 * const { config } = await loadConfig('config.yaml', ['train.steps=100'])
 * const { checkpoint, lastEvaluation } = await train(config)
 *
 * @packageDocumentation
 */

export * as algorithms from './algorithms/index.ts'
export { type Checkpoint, openCheckpoint, openConfig } from './checkpoint/hf_folder.ts'
export { checkpointPath, listCheckpoints } from './checkpoint/retention.ts'
export type { TrainerState } from './checkpoint/trainer_state.ts'
export { type ImportReport, importConfig } from './config/import/index.ts'
export { type LoadedConfig, loadConfig, parseConfig } from './config/load.ts'
export { type Config, type ConfigInput, configSchema } from './config/schema.ts'
export { InputError } from './core/errors.ts'
export type * from './core/types.ts'
export { type Dashboard, type DashboardOptions, openDashboard } from './dashboard/server.ts'
export { loadRows, type ReadOptions, readRows } from './data/index.ts'
export { type Estimate, majorityRight, meanOfRows, passAtK, proportion } from './evaluation/statistics.ts'
export { readMetrics } from './metrics/jsonl.ts'
export type { MetricsRecord, MetricsSink } from './metrics/types.ts'
export { Model } from './native/model.ts'
export { Optimizer } from './native/optimizer.ts'
export type * from './native/types.ts'
export { type Plan, type PlanOptions, planRun } from './plan/plan.ts'
export { writeReport } from './report/write.ts'
export { defineReward, type Reward, type RewardInput, rewards, type StepScores } from './rewards/index.ts'
export { type CollectOptions, collect, type Sampled } from './rollout/collect.ts'
export { type MicroBatch, type PackGroup, type PackOptions, packGroups } from './rollout/pack.ts'
export { createRewardRunner, type RewardRunner, type RewardSpec } from './rollout/reward_runner.ts'
export { type EvaluateOptions, type Evaluation, evaluate, type KindAccuracy } from './trainer/evaluate.ts'
export { evaluateRun } from './trainer/evaluate_run.ts'
export {
  GrpoTrainer,
  type RewardChoice,
  type RowInput,
  type TrainerSettings,
} from './trainer/grpo_trainer.ts'
export { type OpenRunOptions, openRun } from './trainer/open.ts'
export {
  type OpenModel,
  type OpenModelOptions,
  openModel as loadModel,
  type SamplingSettings,
} from './trainer/open_model.ts'
export type { Run } from './trainer/run.ts'
export { type TrainOptions, type TrainResult, train, trainRun } from './trainer/train.ts'
