/** What verl and EasyR1, which began as a fork of it, share: the same settings under other prefixes. */
import type { Assignment, Combination, ImportHints, Rename } from './rules.ts'
import {
  advantageOf,
  files,
  isNumber,
  klEstimators,
  list,
  modelPath,
  numberOr,
  stepsOf,
  zeroForMinusOne,
} from './shared.ts'

/** Where the sections are, e.g. `worker.actor`. */
export interface Sections {
  actor: string
  model: string
  rollout: string
  critic: string
}

const schedule: Rename = {
  to: 'optimizer.schedule',
  value: (name) => (name === 'cosine' ? 'cosine' : 'constant'),
}

/** A limit on the number of kept things; none there is a large one here. */
export const keepLast: Rename = {
  to: 'checkpoint.keepLast',
  value: (count) => (isNumber(count) && count > 0 ? count : 1000),
}

export const sharedRenames = ({ actor, model, rollout, critic }: Sections): Record<string, Rename> => ({
  'data.max_prompt_length': { to: 'data.maxPromptTokens' },
  'data.max_response_length': { to: 'rollout.maxNewTokens' },
  'data.shuffle': { to: 'data.shuffle' },
  'data.seed': { to: 'seed' },
  'algorithm.gamma': { to: 'algorithm.advantage.gamma' },
  'algorithm.lam': { to: 'algorithm.advantage.lambda' },
  [`${actor}.ppo_epochs`]: { to: 'algorithm.updatesPerRollout' },
  [`${actor}.optim.lr`]: { to: 'optimizer.lr' },
  [`${actor}.optim.weight_decay`]: { to: 'optimizer.weightDecay' },
  [`${actor}.optim.min_lr_ratio`]: { to: 'optimizer.minLrRatio' },
  [`${actor}.optim.lr_scheduler_type`]: schedule,
  [`${actor}.optim.warmup_style`]: schedule,
  [`${model}.enable_gradient_checkpointing`]: { to: 'model.recompute' },
  [`${model}.freeze_vision_tower`]: {
    to: 'model.freeze',
    value: (frozen) => (frozen === true ? ['vision'] : undefined),
  },
  [`${rollout}.n`]: { to: 'rollout.groupSize' },
  [`${rollout}.temperature`]: { to: 'rollout.temperature' },
  [`${rollout}.top_p`]: { to: 'rollout.topP' },
  [`${rollout}.top_k`]: { to: 'rollout.topK', value: zeroForMinusOne },
  [`${critic}.optim.lr`]: { to: 'algorithm.critic.lr' },
  [`${critic}.cliprange_value`]: { to: 'algorithm.critic.valueClip' },
  'trainer.critic_warmup': { to: 'algorithm.critic.warmupSteps' },
  'trainer.save_freq': { to: 'checkpoint.every', value: zeroForMinusOne },
  'trainer.val_before_train': { to: 'eval.atStart' },
  'trainer.logger': {
    to: 'metrics.tensorboard',
    value: (names) => (list(names).includes('tensorboard') ? true : undefined),
  },
})

/** @param path where the name of the model is. */
export const sharedCombinations = (path: string): Combination[] => [
  { from: [path], apply: (get) => modelPath(get(path)) },
  { from: ['data.train_files'], apply: (get) => files('data.train', get('data.train_files')) },
  {
    from: ['data.val_files'],
    apply: (get) => (get('data.val_files') ? files('data.eval', get('data.val_files')) : []),
  },
  { from: ['algorithm.adv_estimator'], apply: (get) => advantageOf(get('algorithm.adv_estimator')) },
]

/** Prompts of a step, its mini-batches, the length of the run and of its warm-up. */
export function batchesOf(
  { prompts, perUpdate, epochs, limit }: { prompts: number; perUpdate: number; epochs: number; limit: unknown },
  warmup: { steps: unknown; ratio: unknown },
  hints: ImportHints,
): Assignment[] {
  const steps = isNumber(limit) && limit > 0 ? { key: 'train.steps', value: limit } : stepsOf(epochs, prompts, hints)
  const { steps: given } = warmup
  const share = Math.round(numberOr(warmup.ratio, 0) * Number(steps.value))
  const rising = isNumber(given) && given >= 0 ? given : share
  return [
    { key: 'rollout.promptsPerStep', value: prompts },
    { key: 'algorithm.miniBatches', value: Math.max(1, Math.round(prompts / perUpdate)) },
    steps,
    { key: 'optimizer.warmupSteps', value: Math.min(rising, Number(steps.value)) },
  ]
}

/** @param adaptive `null` for a fixed coefficient. */
export function klOf(
  { coef, name, inLoss }: { coef: unknown; name: string; inLoss: boolean },
  adaptive: { target: unknown; horizon: unknown } | null,
): Assignment[] {
  const estimator = Object.hasOwn(klEstimators, name) ? klEstimators[name] : undefined
  const note = estimator ? undefined : `${name} is not known here; k3 stands for it`
  const controller = adaptive && [
    { key: 'algorithm.kl.schedule', value: 'adaptive' },
    { key: 'algorithm.kl.target', value: numberOr(adaptive.target, 0.1) },
    { key: 'algorithm.kl.horizon', value: numberOr(adaptive.horizon, 10_000) },
  ]
  return [
    { key: 'algorithm.kl.coef', value: numberOr(coef, 1e-3) },
    { key: 'algorithm.kl.estimator', value: estimator ?? 'k3', note },
    { key: 'algorithm.kl.place', value: inLoss ? 'loss' : 'reward' },
    ...(controller ?? []),
  ]
}

/** Nothing for rank 0. */
export function loraOf(rank: unknown, alpha: unknown, alphaThere: number, targets: unknown): Assignment[] {
  if (numberOr(rank, 0) === 0) return []
  return [
    { key: 'lora.rank', value: rank },
    { key: 'lora.alpha', value: numberOr(alpha, alphaThere) },
    { key: 'lora.targets', value: targets === undefined || targets === 'all-linear' ? 'all-linear' : list(targets) },
  ]
}
