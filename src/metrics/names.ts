/**
 * The names other libraries give to the same numbers, for people whose dashboards expect them. A run keeps its own names
 * (those of TRL) in metrics.jsonl; `metrics.style` renames what goes to TensorBoard, MLflow, Prometheus and
 * `experiment_log.jsonl`. What has no name there keeps its own.
 */
import type { MetricsRecord } from './types.ts'

export const metricsStyles = ['trl', 'verl', 'easyr1'] as const
export type MetricsStyle = (typeof metricsStyles)[number]

/** One of ours may have several names there, and another unit. */
type Alias = readonly [name: string, scale?: number]

const GIB_PER_MIB = 1 / 1024

/** verl/trainer/ppo/metric_utils.py; EasyR1 is a fork of it and shares these. */
const shared: Record<string, Alias[]> = {
  step: [['training/global_step']],
  epoch: [['training/epoch']],
  reward: [['critic/score/mean'], ['critic/rewards/mean']],
  loss: [['actor/pg_loss']],
  grad_norm: [['actor/grad_norm']],
  learning_rate: [['actor/lr']],
  'completions/mean_length': [['response_length/mean']],
  'completions/min_length': [['response_length/min']],
  'completions/max_length': [['response_length/max']],
  'completions/clipped_ratio': [['response_length/clip_ratio']],
  'timing/rollout': [['timing_s/gen']],
  'timing/reward': [['timing_s/reward']],
  'timing/score': [['timing_s/ref']],
  'timing/advantage': [['timing_s/adv']],
  'timing/update': [['timing_s/update_actor']],
  step_time: [['timing_s/step'], ['perf/time_per_step']],
  tokens_per_second: [['perf/throughput']],
  peak_rss_mb: [['perf/cpu_memory_used_gb', GIB_PER_MIB]],
}

const own: Record<Exclude<MetricsStyle, 'trl'>, Record<string, Alias[]>> = {
  verl: {
    ...shared,
    entropy: [['actor/entropy']],
    kl: [['actor/kl_loss']],
    'clip_ratio/region_mean': [['actor/pg_clipfrac']],
    eval_accuracy: [['val-core/held_out/accuracy/mean@1']],
    eval_reward: [['val-core/held_out/reward/mean@1']],
  },
  easyr1: {
    ...shared,
    entropy: [['actor/entropy_loss']],
    kl: [['actor/kl_loss']],
    'clip_ratio/region_mean': [['actor/pg_clipfrac_higher']],
    eval_reward: [['val/reward_score']],
    'eval_completions/mean_length': [['val_response_length/mean']],
    'eval_completions/min_length': [['val_response_length/min']],
    'eval_completions/max_length': [['val_response_length/max']],
  },
}

/** `rewards/<function>/mean` of a step and of an evaluation. */
const perReward: Record<Exclude<MetricsStyle, 'trl'>, [pattern: RegExp, prefix: string, suffix: string][]> = {
  verl: [[/^eval_rewards\/(.+)\/mean$/, 'val-aux/held_out/', '/mean@1']],
  easyr1: [
    [/^rewards\/(.+)\/mean$/, 'reward/', ''],
    [/^eval_rewards\/(.+)\/mean$/, 'val/', '_reward'],
  ],
}

/** The record under the names of a style; `step` stays besides. */
export function renamed(record: MetricsRecord, style: MetricsStyle): MetricsRecord {
  if (style === 'trl') return record
  const out: Record<string, number> & { step: number } = { step: record.step }
  for (const [name, value] of Object.entries(record))
    for (const [alias, scale = 1] of aliases(name, style)) out[alias] = value * scale
  return out
}

function aliases(name: string, style: Exclude<MetricsStyle, 'trl'>): readonly Alias[] {
  if (Object.hasOwn(own[style], name)) return own[style][name]!
  for (const [pattern, prefix, suffix] of perReward[style]) {
    const reward = pattern.exec(name)?.[1]
    if (reward !== undefined) return [[`${prefix}${reward}${suffix}`]]
  }
  return [[name]]
}
