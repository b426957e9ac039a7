/** Settings of EasyR1: `examples/config.yaml` and the overrides of its scripts. */
import type { Combination, ImportStyle } from './rules.ts'
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

const batches: Combination = {
  from: [
    'data.rollout_batch_size',
    'worker.actor.global_batch_size',
    'trainer.total_episodes',
    'trainer.total_epochs',
    'trainer.max_steps',
    'worker.actor.optim.lr_warmup_ratio',
    'worker.actor.optim.lr_warmup_steps',
  ],
  apply(get, hints) {
    const prompts = numberOr(get('data.rollout_batch_size'), 512)
    const perUpdate = numberOr(get('worker.actor.global_batch_size'), prompts)
    const epochs = numberOr(get('trainer.total_epochs') ?? get('trainer.total_episodes'), 15)
    const limit = get('trainer.max_steps')
    const steps = isNumber(limit) && limit > 0 ? { key: 'train.steps', value: limit } : stepsOf(epochs, prompts, hints)
    const ratio = numberOr(get('worker.actor.optim.lr_warmup_ratio'), 0)
    const warmup = numberOr(get('worker.actor.optim.lr_warmup_steps'), Math.round(ratio * Number(steps.value)))
    return [
      { key: 'rollout.promptsPerStep', value: prompts },
      { key: 'algorithm.miniBatches', value: Math.max(1, Math.round(prompts / perUpdate)) },
      steps,
      { key: 'optimizer.warmupSteps', value: Math.min(warmup, Number(steps.value)) },
    ]
  },
}

const kl: Combination = {
  from: [
    'algorithm.disable_kl',
    'algorithm.use_kl_loss',
    'algorithm.kl_penalty',
    'algorithm.kl_coef',
    'algorithm.kl_type',
    'algorithm.kl_target',
    'algorithm.kl_horizon',
  ],
  apply(get) {
    if (get('algorithm.disable_kl') === true) return [{ key: 'algorithm.kl.coef', value: 0 }]
    const name = String(get('algorithm.kl_penalty') ?? 'low_var_kl')
    const estimator = Object.hasOwn(klEstimators, name) ? klEstimators[name] : undefined
    const note = estimator ? undefined : `${name} is not known here; k3 stands for it`
    const adaptive = get('algorithm.kl_type') === 'adaptive'
    return [
      { key: 'algorithm.kl.coef', value: numberOr(get('algorithm.kl_coef'), 1e-3) },
      { key: 'algorithm.kl.estimator', value: estimator ?? 'k3', note },
      { key: 'algorithm.kl.place', value: get('algorithm.use_kl_loss') === true ? 'loss' : 'reward' },
      ...(adaptive
        ? [
            { key: 'algorithm.kl.schedule', value: 'adaptive' },
            { key: 'algorithm.kl.target', value: numberOr(get('algorithm.kl_target'), 0.1) },
            { key: 'algorithm.kl.horizon', value: numberOr(get('algorithm.kl_horizon'), 10_000) },
          ]
        : []),
    ]
  },
}

const filtering: Combination = {
  from: [
    'algorithm.online_filtering',
    'algorithm.filter_key',
    'algorithm.filter_low',
    'algorithm.filter_high',
    'trainer.max_try_make_batch',
  ],
  apply(get) {
    if (get('algorithm.online_filtering') !== true) return []
    const rounds = numberOr(get('trainer.max_try_make_batch'), 20)
    const key = get('algorithm.filter_key')
    return [
      { key: 'algorithm.dynamicSampling.maxRounds', value: rounds > 0 ? rounds : 20 },
      { key: 'algorithm.dynamicSampling.low', value: numberOr(get('algorithm.filter_low'), 0.01) },
      {
        key: 'algorithm.dynamicSampling.high',
        value: numberOr(get('algorithm.filter_high'), 0.99),
        note: key && key !== 'overall' ? `by the whole reward, not by ${String(key)}` : undefined,
      },
    ]
  },
}

/** The prompts of EasyR1's own examples, by file name. */
const think =
  'You FIRST think about the reasoning process as an internal monologue and then provide the final answer. The reasoning process MUST BE enclosed within <think> </think> tags.'
const knownPrompts: Readonly<Record<string, string>> = {
  'math.jinja': `{problem} ${think} The final answer MUST BE put in \\boxed{}.`,
  'r1v.jinja': `{problem} ${think} The final answer MUST BE enclosed within <answer> </answer> tags.`,
}

const prompt: Combination = {
  from: ['data.format_prompt', 'data.system_prompt'],
  apply(get, { readText }) {
    const system = get('data.system_prompt')
    const name = get('data.format_prompt')
    const own = system === undefined ? [] : [{ key: 'data.system', value: String(system) }]
    if (name === undefined) return own
    const last = String(name).split('/').at(-1)!
    const text = readText(String(name))?.trim() ?? (Object.hasOwn(knownPrompts, last) ? knownPrompts[last]! : null)
    const template = text?.replace(/\{\{-?\s*content\s*(?:\|\s*trim\s*)?-?\}\}/, '{problem}')
    const usable = template?.includes('{problem}') && !/\{[{%]/.test(template.replace('{problem}', ''))
    const note = `${String(name)}: not found or more than text around {{ content }}; write data.template`
    return [...own, usable ? { key: 'data.template', value: template } : { key: 'data.template', value: null, note }]
  },
}

const reward: Combination = {
  from: [
    'worker.reward.reward_function',
    'worker.reward.score_function',
    'worker.reward.reward_function_kwargs.format_weight',
  ],
  apply(get) {
    const name = String(get('worker.reward.reward_function') ?? get('worker.reward.score_function') ?? '')
    const share = numberOr(get('worker.reward.reward_function_kwargs.format_weight'), name.includes('r1v') ? 0.5 : 0.1)
    const both = (accuracy: string, style: string) => [
      { name: accuracy, weight: Number((1 - share).toFixed(6)) },
      { name: 'format', weight: share, parameters: { style } },
    ]
    if (/(^|\/)math\.py/.test(name)) return [{ key: 'rewards', value: both('math', 'think-boxed') }]
    if (/(^|\/)r1v\.py/.test(name)) return [{ key: 'rewards', value: both('accuracy', 'think-answer') }]
    const note = `${name}: write it as a reward file (docs/rewards.md); accuracy stands for it`
    return [{ key: 'rewards', value: [{ name: 'accuracy' }], note }]
  },
}

const place: Combination = {
  from: ['trainer.experiment_name', 'trainer.save_checkpoint_path', 'trainer.project_name'],
  apply: (get) => [
    {
      key: 'run.dir',
      value: String(
        get('trainer.save_checkpoint_path') ?? `runs/${String(get('trainer.experiment_name') ?? 'easyr1')}`,
      ),
    },
  ],
}

const lora: Combination = {
  from: [
    'worker.actor.model.lora.rank',
    'worker.actor.model.lora.alpha',
    'worker.actor.model.lora.target_modules',
    'worker.actor.model.lora.exclude_modules',
  ],
  apply(get) {
    const rank = numberOr(get('worker.actor.model.lora.rank'), 0)
    if (rank === 0) return []
    const targets = get('worker.actor.model.lora.target_modules')
    return [
      { key: 'lora.rank', value: rank },
      { key: 'lora.alpha', value: numberOr(get('worker.actor.model.lora.alpha'), 64) },
      { key: 'lora.targets', value: targets === undefined || targets === 'all-linear' ? 'all-linear' : list(targets) },
    ]
  },
}

const standardKeys: Combination = {
  from: ['data.prompt_key', 'data.answer_key', 'data.image_key', 'data.video_key'],
  apply(get) {
    const standard: [string, string][] = [
      ['prompt', 'problem'],
      ['answer', 'answer'],
      ['image', 'images'],
    ]
    const other = standard.filter(([name, usual]) => (get(`data.${name}_key`) ?? usual) !== usual)
    const note =
      other.length > 0
        ? `rename the columns ${other.map(([name, usual]) => `${String(get(`data.${name}_key`))} -> ${usual}`).join(', ')}`
        : undefined
    return [{ key: 'data.format', value: 'easyr1', note }]
  },
}

export const easyr1: ImportStyle = {
  name: 'easyr1',
  recognise: (settings) => [...settings.keys()].some((key) => key.startsWith('worker.')),
  renames: {
    'data.max_prompt_length': { to: 'data.maxPromptTokens' },
    'data.max_response_length': { to: 'rollout.maxNewTokens' },
    'data.shuffle': { to: 'data.shuffle' },
    'data.seed': { to: 'seed' },
    'data.max_pixels': { to: 'data.maxPixels' },
    'data.min_pixels': { to: 'data.minPixels' },
    'data.image_dir': { to: 'data.imageRoot' },
    'algorithm.gamma': { to: 'algorithm.advantage.gamma' },
    'algorithm.lam': { to: 'algorithm.advantage.lambda' },
    'worker.actor.max_grad_norm': { to: 'optimizer.maxGradNorm' },
    'worker.actor.ppo_epochs': { to: 'algorithm.updatesPerRollout' },
    'worker.actor.clip_ratio_low': { to: 'algorithm.loss.clipLow' },
    'worker.actor.clip_ratio_high': { to: 'algorithm.loss.clipHigh' },
    'worker.actor.clip_ratio_dual': { to: 'algorithm.loss.dualClip' },
    'worker.actor.loss_avg_mode': {
      to: 'algorithm.loss.aggregation',
      value: (mode) => (mode === 'seq' ? 'sequence-mean' : 'token-mean'),
    },
    'worker.actor.model.enable_gradient_checkpointing': { to: 'model.recompute' },
    'worker.actor.model.freeze_vision_tower': {
      to: 'model.freeze',
      value: (frozen) => (frozen === true ? ['vision'] : undefined),
    },
    'worker.actor.optim.lr': { to: 'optimizer.lr' },
    'worker.actor.optim.weight_decay': { to: 'optimizer.weightDecay' },
    'worker.actor.optim.lr_scheduler_type': {
      to: 'optimizer.schedule',
      value: (name) => (name === 'cosine' ? 'cosine' : 'constant'),
    },
    'worker.actor.optim.min_lr_ratio': { to: 'optimizer.minLrRatio' },
    'worker.rollout.n': { to: 'rollout.groupSize' },
    'worker.rollout.temperature': { to: 'rollout.temperature' },
    'worker.rollout.top_p': { to: 'rollout.topP' },
    'worker.rollout.top_k': { to: 'rollout.topK', value: zeroForMinusOne },
    'worker.critic.optim.lr': { to: 'algorithm.critic.lr' },
    'worker.critic.cliprange_value': { to: 'algorithm.critic.valueClip' },
    'trainer.critic_warmup': { to: 'algorithm.critic.warmupSteps' },
    'trainer.val_freq': { to: 'eval.every', value: zeroForMinusOne },
    'trainer.val_before_train': { to: 'eval.atStart' },
    'trainer.val_generations_to_log': {
      to: 'report.samples',
      value: (count) => (isNumber(count) && count > 0 ? count : undefined),
    },
    'trainer.save_freq': { to: 'checkpoint.every', value: zeroForMinusOne },
    'trainer.save_limit': {
      to: 'checkpoint.keepLast',
      value: (count) => (isNumber(count) && count > 0 ? count : 1000),
    },
    'trainer.logger': {
      to: 'metrics.tensorboard',
      value: (names) => (list(names).includes('tensorboard') ? true : undefined),
    },
  },
  combinations: [
    { from: ['worker.actor.model.model_path'], apply: (get) => modelPath(get('worker.actor.model.model_path')) },
    { from: ['data.train_files'], apply: (get) => files('data.train', get('data.train_files')) },
    {
      from: ['data.val_files'],
      apply: (get) => (get('data.val_files') ? files('data.eval', get('data.val_files')) : []),
    },
    { from: ['algorithm.adv_estimator'], apply: (get) => advantageOf(get('algorithm.adv_estimator')) },
    ...[standardKeys, batches, kl, filtering, prompt, reward, place, lora],
  ],
  needless: [
    [
      'one process and one engine: nothing to shard, offload or gather',
      [
        'worker.*.fsdp.*',
        'worker.actor.fsdp.*',
        'worker.actor.offload.*',
        'worker.ref.*',
        'worker.critic.fsdp.*',
        'worker.critic.offload.*',
        'trainer.n_gpus_per_node',
        'trainer.nnodes',
        'trainer.ray_timeline',
        'worker.hybrid_engine',
      ],
    ],
    [
      'the engine samples with the weights that are trained',
      [
        'worker.rollout.gpu_memory_utilization',
        'worker.rollout.enforce_eager',
        'worker.rollout.enable_chunked_prefill',
        'worker.rollout.tensor_parallel_size',
        'worker.rollout.max_num_batched_tokens',
        'worker.rollout.max_model_len',
        'worker.rollout.dtype',
        'worker.rollout.disable_log_stats',
        'worker.rollout.disable_tqdm',
        'worker.rollout.limit_images',
        'worker.rollout.name',
        'worker.rollout.prompt_length',
        'worker.rollout.response_length',
      ],
    ],
    [
      'sizes of forward passes follow from train.tokensPerMicroBatch',
      [
        'worker.actor.micro_batch_size*',
        'worker.critic.micro_batch_size*',
        'worker.actor.padding_free',
        'worker.actor.dynamic_batching',
        'worker.actor.ulysses*',
        'data.mini_rollout_batch_size',
        'data.val_batch_size',
        'worker.actor.use_torch_compile',
      ],
    ],
    [
      'evaluations here are greedy; rft eval draws samples',
      ['worker.rollout.val_override_config.*', 'trainer.val_only'],
    ],
    ['a prompt that is too long is an error that names its row', ['data.filter_overlong_prompts*']],
    ['AdamW in 32-bit floats', ['worker.actor.optim.strategy', 'worker.actor.optim.betas']],
    [
      'always so here',
      [
        'worker.actor.model.trust_remote_code',
        'worker.actor.model.override_config*',
        'worker.reward.reward_type',
        'worker.reward.num_cpus',
        'worker.reward.skip_special_tokens',
        'worker.actor.model.tokenizer_path',
      ],
    ],
    [
      'rft train --resume auto',
      ['trainer.load_checkpoint_path', 'trainer.find_last_checkpoint', 'trainer.save_model_only'],
    ],
  ],
}
