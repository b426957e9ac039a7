/** Settings of TRL's GRPO: `GRPOConfig` with what it inherits from `TrainingArguments`, and the script's arguments. */
import type { Assignment, Combination, ImportStyle } from './rules.ts'
import {
  files,
  isNumber,
  list,
  modelPath,
  numberOr,
  optimizerState,
  rewardsOf,
  stepsOf,
  zeroForMinusOne,
} from './shared.ts'

/** A step there is an optimizer step; here it is a rollout, which may have several. */
const batches: Combination = {
  from: [
    ...['per_device_train_batch_size', 'gradient_accumulation_steps', 'num_generations', 'steps_per_generation'],
    ...['generation_batch_size', 'num_iterations', 'max_steps', 'num_train_epochs', 'warmup_steps', 'warmup_ratio'],
    ...['save_steps', 'eval_steps', 'eval_strategy', 'save_strategy'],
  ],
  apply(get, hints) {
    const group = numberOr(get('num_generations'), 8)
    const perDevice = numberOr(get('per_device_train_batch_size'), 8)
    const accumulated = numberOr(get('gradient_accumulation_steps'), 1)
    const perGeneration = numberOr(get('steps_per_generation'), accumulated)
    const completions = numberOr(get('generation_batch_size'), perDevice * perGeneration)
    const prompts = Math.max(1, Math.round(completions / group))
    const miniBatches = Math.min(prompts, Math.max(1, Math.round(perGeneration / accumulated)))
    const passes = numberOr(get('num_iterations'), 1)
    const perStep = miniBatches * passes
    const ours = (theirs: unknown) => (isNumber(theirs) && theirs >= 1 ? Math.max(1, Math.round(theirs / perStep)) : 0)
    const maxSteps = get('max_steps')
    const steps: Assignment =
      isNumber(maxSteps) && maxSteps > 0
        ? { key: 'train.steps', value: ours(maxSteps) }
        : stepsOf(numberOr(get('num_train_epochs'), 3), prompts, hints)
    const warmup = get('warmup_steps')
      ? ours(get('warmup_steps'))
      : Math.round(numberOr(get('warmup_ratio'), 0) * Number(steps.value))
    const evaluates = get('eval_strategy') !== undefined && get('eval_strategy') !== 'no'
    return [
      { key: 'rollout.groupSize', value: group },
      {
        key: 'rollout.promptsPerStep',
        value: prompts,
        note: `${completions} completions of one device / ${group}; times the devices you had`,
      },
      { key: 'algorithm.miniBatches', value: miniBatches },
      { key: 'algorithm.updatesPerRollout', value: passes },
      steps,
      { key: 'optimizer.warmupSteps', value: Math.min(warmup, Number(steps.value)) },
      ...(get('save_strategy') === 'no'
        ? []
        : [{ key: 'checkpoint.every', value: ours(numberOr(get('save_steps'), 500)) }]),
      ...(evaluates ? [{ key: 'eval.every', value: ours(numberOr(get('eval_steps'), 500)) }] : []),
    ]
  },
}

const loss: Combination = {
  from: ['loss_type', 'epsilon', 'epsilon_high', 'delta', 'importance_sampling_level'],
  apply(get) {
    const kind = lossKind(get('loss_type'), get('importance_sampling_level'))
    const [low, high, cap] = [get('epsilon'), get('epsilon_high') ?? get('epsilon'), get('delta')]
    return [
      { key: 'algorithm.loss.kind', value: kind.kind, note: kind.note },
      ...(kind.aggregation ? [{ key: 'algorithm.loss.aggregation', value: kind.aggregation }] : []),
      ...(isNumber(low) && kind.clips ? [{ key: 'algorithm.loss.clipLow', value: low }] : []),
      ...(isNumber(high) && (kind.clips || kind.kind === 'cispo')
        ? [{ key: 'algorithm.loss.clipHigh', value: high }]
        : []),
      ...(isNumber(cap) && kind.clips ? [{ key: 'algorithm.loss.ratioCap', value: cap }] : []),
    ]
  },
}

function lossKind(
  type: unknown,
  level: unknown,
): { kind: string; aggregation?: string; clips: boolean; note?: string } {
  const aggregations: Readonly<Record<string, string>> = {
    grpo: 'sequence-mean',
    bnpo: 'micro-batch-token-mean',
    dapo: 'rollout-token-mean',
    dr_grpo: 'fixed-length',
  }
  const name = type === undefined ? 'dapo' : String(type)
  if (name === 'cispo' || name === 'sapo') return { kind: name, clips: false }
  if (name === 'luspo') return { kind: 'luspo', clips: true }
  const known = Object.hasOwn(aggregations, name)
  const note = known ? undefined : `${name} is not known here; dapo stands for it`
  const aggregation = aggregations[known ? name : 'dapo']
  return { kind: level === 'sequence' ? 'gspo' : 'clip', aggregation, clips: true, note }
}

const rewards: Combination = {
  from: ['reward_funcs', 'reward_weights'],
  apply: (get) => [rewardsOf(list(get('reward_funcs') ?? 'accuracy_reward'), list(get('reward_weights') ?? []))],
}

const lora: Combination = {
  from: ['use_peft', 'lora_r', 'lora_alpha', 'lora_dropout', 'lora_target_modules', 'use_rslora'],
  apply(get) {
    if (get('use_peft') !== true) return []
    const named: [string, string][] = [
      ['lora_r', 'rank'],
      ['lora_alpha', 'alpha'],
      ['lora_dropout', 'dropout'],
      ['use_rslora', 'rankStabilised'],
    ]
    const targets = get('lora_target_modules')
    const modules = targets === undefined || targets === 'all-linear' ? 'all-linear' : list(targets)
    return [
      ...named.flatMap(([theirs, ours]) =>
        get(theirs) === undefined ? [] : [{ key: `lora.${ours}`, value: get(theirs) }],
      ),
      { key: 'lora.targets', value: modules },
    ]
  },
}

const reference: Combination = {
  from: ['sync_ref_model', 'ref_model_mixup_alpha', 'ref_model_sync_steps'],
  apply: (get) =>
    get('sync_ref_model') === true
      ? [
          { key: 'algorithm.kl.reference', value: 'ema' },
          { key: 'algorithm.kl.syncAlpha', value: numberOr(get('ref_model_mixup_alpha'), 0.6) },
          { key: 'algorithm.kl.syncEvery', value: numberOr(get('ref_model_sync_steps'), 512) },
        ]
      : [],
}

/** Names of `transformers` for what we call constant, linear and cosine. */
function schedule(name: unknown): string | undefined {
  if (name === 'cosine' || name === 'linear') return name
  return String(name).startsWith('constant') ? 'constant' : 'linear'
}

function scale(value: unknown): string {
  if (value === false || value === 'none' || value === 'False') return 'none'
  return value === 'batch' ? 'batch' : 'group'
}

export const trl: ImportStyle = {
  name: 'trl',
  recognise: (settings) =>
    ['model_name_or_path', 'num_generations', 'per_device_train_batch_size', 'max_completion_length'].some((key) =>
      settings.has(key),
    ),
  renames: {
    output_dir: { to: 'run.dir' },
    max_prompt_length: { to: 'data.maxPromptTokens' },
    max_completion_length: { to: 'rollout.maxNewTokens' },
    temperature: { to: 'rollout.temperature' },
    top_p: { to: 'rollout.topP' },
    top_k: { to: 'rollout.topK', value: zeroForMinusOne },
    min_p: { to: 'rollout.minP' },
    beta: { to: 'algorithm.kl.coef' },
    scale_rewards: { to: 'algorithm.advantage.scale', value: scale },
    mask_truncated_completions: { to: 'algorithm.maskTruncated' },
    top_entropy_quantile: { to: 'algorithm.entropy.topShare' },
    learning_rate: { to: 'optimizer.lr' },
    weight_decay: { to: 'optimizer.weightDecay' },
    adam_beta1: { to: 'optimizer.beta1' },
    adam_beta2: { to: 'optimizer.beta2' },
    adam_epsilon: { to: 'optimizer.eps' },
    max_grad_norm: { to: 'optimizer.maxGradNorm' },
    optim: optimizerState,
    lr_scheduler_type: { to: 'optimizer.schedule', value: schedule },
    gradient_checkpointing: { to: 'model.recompute' },
    save_total_limit: { to: 'checkpoint.keepLast' },
    shuffle_dataset: { to: 'data.shuffle' },
    seed: { to: 'seed' },
    log_completions: { to: 'metrics.completions', value: (on) => (on === true ? 1 : undefined) },
    report_to: {
      to: 'metrics.tensorboard',
      value: (to) => (list(to).some((one) => one === 'tensorboard' || one === 'all') ? true : undefined),
    },
  },
  combinations: [
    { from: ['model_name_or_path'], apply: (get) => modelPath(get('model_name_or_path')) },
    {
      from: ['dataset_name', 'dataset_train_split', 'dataset_config', 'dataset_test_split'],
      apply: (get) => {
        const split = get('dataset_train_split')
        const name = String(get('dataset_name') ?? 'data/train.jsonl')
        return files('data.train', split === undefined ? name : `${name}@${String(split)}`)
      },
    },
    ...[batches, loss, rewards, lora, reference],
  ],
  needless: [
    [
      'bf16 on CUDA, 32-bit floats on the CPU (model.dtype)',
      ['bf16', 'fp16', 'tf32', 'torch_dtype', 'dtype', 'model_init_kwargs.*', 'cast_lm_head_to_fp32'],
    ],
    [
      'one engine samples and trains',
      [
        'use_vllm',
        'vllm_*',
        'use_transformers_paged',
        'use_liger_kernel',
        'use_liger_loss',
        'cache_implementation',
        'attn_implementation',
      ],
    ],
    [
      'sizes of forward passes follow from train.tokensPerMicroBatch',
      ['per_device_eval_batch_size', 'eval_accumulation_steps', 'auto_find_batch_size', 'padding_free'],
    ],
    [
      'always so here',
      [
        'logging_steps',
        'logging_strategy',
        'logging_first_step',
        'remove_unused_columns',
        'disable_dropout',
        'log_unique_prompts',
        'num_completions_to_print',
        'trust_remote_code',
        'gradient_checkpointing_kwargs*',
      ],
    ],
    [
      'one process, no launcher',
      [
        'ddp_*',
        'deepspeed*',
        'fsdp*',
        'ds3_gather_for_generation',
        'dataloader_*',
        'local_rank',
        'torch_compile*',
        'config',
        'num_processes',
        'config_file',
        'accelerate_config',
      ],
    ],
    ['nothing is uploaded', ['push_to_hub*', 'hub_*', 'run_name', 'wandb_*', 'trackio_*']],
  ],
}
