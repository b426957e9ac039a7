/** Settings of verl's PPO trainer (`main_ppo`): YAML, or the Hydra overrides of its example scripts. */
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

const actor = 'actor_rollout_ref.actor'
const rollout = 'actor_rollout_ref.rollout'

const batches: Combination = {
  from: [
    'data.train_batch_size',
    `${actor}.ppo_mini_batch_size`,
    'trainer.total_epochs',
    'trainer.total_training_steps',
    `${actor}.optim.lr_warmup_steps`,
    `${actor}.optim.lr_warmup_steps_ratio`,
  ],
  apply(get, hints) {
    const prompts = numberOr(get('data.train_batch_size'), 1024)
    const perUpdate = numberOr(get(`${actor}.ppo_mini_batch_size`), 256)
    const limit = get('trainer.total_training_steps')
    const epochs = numberOr(get('trainer.total_epochs'), 30)
    const steps = isNumber(limit) && limit > 0 ? { key: 'train.steps', value: limit } : stepsOf(epochs, prompts, hints)
    const given = get(`${actor}.optim.lr_warmup_steps`)
    const ratio = numberOr(get(`${actor}.optim.lr_warmup_steps_ratio`), 0)
    const warmup = isNumber(given) && given >= 0 ? given : Math.round(ratio * Number(steps.value))
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
    `${actor}.use_kl_loss`,
    `${actor}.kl_loss_coef`,
    `${actor}.kl_loss_type`,
    'algorithm.use_kl_in_reward',
    'algorithm.kl_penalty',
    'algorithm.kl_ctrl.type',
    'algorithm.kl_ctrl.kl_coef',
    'algorithm.kl_ctrl.target_kl',
    'algorithm.kl_ctrl.horizon',
  ],
  apply(get) {
    const inLoss = get(`${actor}.use_kl_loss`) === true
    if (!inLoss && get('algorithm.use_kl_in_reward') !== true) return [{ key: 'algorithm.kl.coef', value: 0 }]
    const name = String(
      (inLoss ? get(`${actor}.kl_loss_type`) : get('algorithm.kl_penalty')) ?? (inLoss ? 'low_var_kl' : 'kl'),
    )
    const estimator = Object.hasOwn(klEstimators, name) ? klEstimators[name] : undefined
    const coef = inLoss ? get(`${actor}.kl_loss_coef`) : get('algorithm.kl_ctrl.kl_coef')
    const adaptive = !inLoss && get('algorithm.kl_ctrl.type') === 'adaptive'
    return [
      { key: 'algorithm.kl.coef', value: numberOr(coef, 1e-3) },
      {
        key: 'algorithm.kl.estimator',
        value: estimator ?? 'k3',
        note: estimator ? undefined : `${name} is not known here; k3 stands for it`,
      },
      { key: 'algorithm.kl.place', value: inLoss ? 'loss' : 'reward' },
      ...(adaptive
        ? [
            { key: 'algorithm.kl.schedule', value: 'adaptive' },
            { key: 'algorithm.kl.target', value: numberOr(get('algorithm.kl_ctrl.target_kl'), 0.1) },
            { key: 'algorithm.kl.horizon', value: numberOr(get('algorithm.kl_ctrl.horizon'), 10_000) },
          ]
        : []),
    ]
  },
}

const loss: Combination = {
  from: [
    `${actor}.clip_ratio`,
    `${actor}.clip_ratio_low`,
    `${actor}.clip_ratio_high`,
    `${actor}.clip_ratio_c`,
    `${actor}.loss_agg_mode`,
    `${actor}.policy_loss.loss_mode`,
  ],
  apply(get) {
    const modes: Readonly<Record<string, string>> = {
      vanilla: 'clip',
      clip_cov: 'clip-cov',
      kl_cov: 'kl-cov',
      gspo: 'gspo',
      cispo: 'cispo',
      sapo: 'sapo',
    }
    const sums: Readonly<Record<string, string>> = {
      'token-mean': 'token-mean',
      'seq-mean-token-sum': 'sequence-sum',
      'seq-mean-token-mean': 'sequence-mean',
      'seq-mean-token-sum-norm': 'fixed-length',
    }
    const mode = String(get(`${actor}.policy_loss.loss_mode`) ?? 'vanilla')
    const kind = Object.hasOwn(modes, mode) ? modes[mode] : undefined
    const sum = get(`${actor}.loss_agg_mode`)
    const clips = kind === 'clip' || kind === 'clip-cov' || kind === 'gspo'
    const [low, high, dual] = [
      get(`${actor}.clip_ratio_low`),
      get(`${actor}.clip_ratio_high`),
      get(`${actor}.clip_ratio_c`),
    ]
    const both = get(`${actor}.clip_ratio`)
    return [
      {
        key: 'algorithm.loss.kind',
        value: kind ?? 'clip',
        note: kind ? undefined : `${mode} is not known here; clip stands for it`,
      },
      ...(sum !== undefined && Object.hasOwn(sums, String(sum))
        ? [{ key: 'algorithm.loss.aggregation', value: sums[String(sum)] }]
        : []),
      ...(clips && isNumber(low ?? both) ? [{ key: 'algorithm.loss.clipLow', value: low ?? both }] : []),
      ...(clips && isNumber(high ?? both) ? [{ key: 'algorithm.loss.clipHigh', value: high ?? both }] : []),
      ...(kind === 'clip' && isNumber(dual) ? [{ key: 'algorithm.loss.dualClip', value: dual }] : []),
    ]
  },
}

const place: Combination = {
  from: ['trainer.default_local_dir', 'trainer.experiment_name', 'trainer.project_name'],
  apply: (get) => [
    {
      key: 'run.dir',
      value: String(get('trainer.default_local_dir') ?? `runs/${String(get('trainer.experiment_name') ?? 'verl')}`),
    },
  ],
}

const reward: Combination = {
  from: [
    'custom_reward_function.path',
    'custom_reward_function.name',
    'reward_model.enable',
    'reward_model.reward_manager',
  ],
  apply(get) {
    const path = get('custom_reward_function.path')
    const note =
      path === undefined
        ? undefined
        : `${String(path)}: write it as a reward file (docs/rewards.md); math stands for it`
    return [{ key: 'rewards', value: [{ name: 'math' }], note }]
  },
}

const filtering: Combination = {
  from: [
    'algorithm.filter_groups.enable',
    'algorithm.filter_groups.metric',
    'algorithm.filter_groups.max_num_gen_batches',
  ],
  apply(get) {
    if (get('algorithm.filter_groups.enable') !== true) return []
    const rounds = numberOr(get('algorithm.filter_groups.max_num_gen_batches'), 10)
    return [{ key: 'algorithm.dynamicSampling.maxRounds', value: rounds > 0 ? rounds : 10 }]
  },
}

const lora: Combination = {
  from: [
    'actor_rollout_ref.model.lora_rank',
    'actor_rollout_ref.model.lora_alpha',
    'actor_rollout_ref.model.target_modules',
  ],
  apply(get) {
    const rank = numberOr(get('actor_rollout_ref.model.lora_rank'), 0)
    if (rank === 0) return []
    const targets = get('actor_rollout_ref.model.target_modules')
    return [
      { key: 'lora.rank', value: rank },
      { key: 'lora.alpha', value: numberOr(get('actor_rollout_ref.model.lora_alpha'), 16) },
      { key: 'lora.targets', value: targets === undefined || targets === 'all-linear' ? 'all-linear' : list(targets) },
    ]
  },
}

export const verl: ImportStyle = {
  name: 'verl',
  recognise: (settings) => [...settings.keys()].some((key) => key.startsWith('actor_rollout_ref.')),
  renames: {
    'data.max_prompt_length': { to: 'data.maxPromptTokens' },
    'data.max_response_length': { to: 'rollout.maxNewTokens' },
    'data.shuffle': { to: 'data.shuffle' },
    'data.seed': { to: 'seed' },
    'algorithm.gamma': { to: 'algorithm.advantage.gamma' },
    'algorithm.lam': { to: 'algorithm.advantage.lambda' },
    'algorithm.norm_adv_by_std_in_grpo': {
      to: 'algorithm.advantage.scale',
      value: (on) => (on === false ? 'none' : 'group'),
    },
    [`${actor}.entropy_coeff`]: { to: 'algorithm.entropy.coef' },
    [`${actor}.grad_clip`]: { to: 'optimizer.maxGradNorm' },
    [`${actor}.ppo_epochs`]: { to: 'algorithm.updatesPerRollout' },
    [`${actor}.optim.lr`]: { to: 'optimizer.lr' },
    [`${actor}.optim.weight_decay`]: { to: 'optimizer.weightDecay' },
    [`${actor}.optim.min_lr_ratio`]: { to: 'optimizer.minLrRatio' },
    [`${actor}.optim.warmup_style`]: {
      to: 'optimizer.schedule',
      value: (name) => (name === 'cosine' ? 'cosine' : 'constant'),
    },
    [`${actor}.optim.lr_scheduler_type`]: {
      to: 'optimizer.schedule',
      value: (name) => (name === 'cosine' ? 'cosine' : 'constant'),
    },
    [`${rollout}.n`]: { to: 'rollout.groupSize' },
    [`${rollout}.temperature`]: { to: 'rollout.temperature' },
    [`${rollout}.top_p`]: { to: 'rollout.topP' },
    [`${rollout}.top_k`]: { to: 'rollout.topK', value: zeroForMinusOne },
    'actor_rollout_ref.model.enable_gradient_checkpointing': { to: 'model.recompute' },
    'actor_rollout_ref.model.freeze_vision_tower': {
      to: 'model.freeze',
      value: (frozen) => (frozen === true ? ['vision'] : undefined),
    },
    'critic.optim.lr': { to: 'algorithm.critic.lr' },
    'critic.cliprange_value': { to: 'algorithm.critic.valueClip' },
    'trainer.critic_warmup': { to: 'algorithm.critic.warmupSteps' },
    'trainer.save_freq': { to: 'checkpoint.every', value: zeroForMinusOne },
    'trainer.test_freq': { to: 'eval.every', value: zeroForMinusOne },
    'trainer.val_before_train': { to: 'eval.atStart' },
    'trainer.max_actor_ckpt_to_keep': {
      to: 'checkpoint.keepLast',
      value: (count) => (isNumber(count) && count > 0 ? count : 1000),
    },
    'trainer.logger': {
      to: 'metrics.tensorboard',
      value: (names) => (list(names).includes('tensorboard') ? true : undefined),
    },
  },
  combinations: [
    { from: ['actor_rollout_ref.model.path'], apply: (get) => modelPath(get('actor_rollout_ref.model.path')) },
    { from: ['data.train_files'], apply: (get) => files('data.train', get('data.train_files')) },
    {
      from: ['data.val_files'],
      apply: (get) => (get('data.val_files') ? files('data.eval', get('data.val_files')) : []),
    },
    { from: ['algorithm.adv_estimator'], apply: (get) => advantageOf(get('algorithm.adv_estimator')) },
    ...[batches, kl, loss, place, reward, filtering, lora],
  ],
  needless: [
    [
      'one process and one engine: nothing to shard, offload or launch',
      [
        `${actor}.fsdp_config.*`,
        `${actor}.megatron.*`,
        `${actor}.strategy`,
        'actor_rollout_ref.ref.*',
        'actor_rollout_ref.hybrid_engine',
        'critic.model.*',
        'critic.ppo_*',
        'critic.strategy',
        'trainer.n_gpus_per_node',
        'trainer.nnodes',
        'trainer.device',
        'trainer.balance_batch',
        'ray_kwargs.*',
        'ray_init.*',
        'trainer.ray_wait_register_center_timeout',
      ],
    ],
    [
      'the engine samples with the weights that are trained',
      [
        `${rollout}.name`,
        `${rollout}.mode`,
        `${rollout}.engine_kwargs.*`,
        `${rollout}.gpu_memory_utilization`,
        `${rollout}.tensor_model_parallel_size`,
        `${rollout}.enable_chunked_prefill`,
        `${rollout}.enforce_eager`,
        `${rollout}.free_cache_engine`,
        `${rollout}.load_format`,
        `${rollout}.layered_summon`,
        `${rollout}.dtype`,
        `${rollout}.max_num_*`,
        `${rollout}.max_model_len`,
        `${rollout}.disable_log_stats`,
        `${rollout}.do_sample`,
        `${rollout}.ignore_eos`,
      ],
    ],
    [
      'sizes of forward passes follow from train.tokensPerMicroBatch',
      [
        `${actor}.ppo_micro_batch_size*`,
        `${actor}.ppo_max_token_len_per_gpu`,
        `${actor}.use_dynamic_bsz`,
        `${actor}.ulysses_sequence_parallel_size`,
        `${rollout}.log_prob_*`,
        'actor_rollout_ref.model.use_remove_padding',
        `${actor}.use_torch_compile`,
        'data.val_batch_size',
      ],
    ],
    [
      'evaluations here are greedy; rft eval draws samples',
      [`${rollout}.val_kwargs.*`, 'trainer.val_only', 'trainer.log_val_generations'],
    ],
    ['a prompt that is too long is an error that names its row', ['data.filter_overlong_prompts*', 'data.truncation']],
    [
      'the layout of rows is recognised',
      [
        'data.image_key',
        'data.prompt_key',
        'data.video_key',
        'data.return_raw_chat',
        'data.return_raw_input_ids',
        'data.reward_fn_key',
        'data.trust_remote_code',
        'actor_rollout_ref.model.trust_remote_code',
        'actor_rollout_ref.model.use_shm',
        'actor_rollout_ref.model.external_lib',
        'data.use_shm',
      ],
    ],
    [
      'rft train --resume auto',
      ['trainer.resume_mode', 'trainer.resume_from_path', 'trainer.del_local_ckpt_after_load'],
    ],
  ],
}
