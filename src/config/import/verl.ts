/** Settings of verl's PPO trainer (`main_ppo`): YAML, or the Hydra overrides of its example scripts. */
import type { Combination, ImportStyle } from './rules.ts'
import { isNumber, numberOr, optimizerState, zeroForMinusOne } from './shared.ts'
import { batchesOf, keepLast, klOf, loraOf, sharedCombinations, sharedRenames } from './verl_family.ts'

const actor = 'actor_rollout_ref.actor'
const model = 'actor_rollout_ref.model'
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
    const warmup = {
      steps: get(`${actor}.optim.lr_warmup_steps`),
      ratio: get(`${actor}.optim.lr_warmup_steps_ratio`),
    }
    return batchesOf({ prompts, perUpdate, epochs, limit }, warmup, hints)
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
    const coef = inLoss ? get(`${actor}.kl_loss_coef`) : get('algorithm.kl_ctrl.kl_coef')
    const adaptive = !inLoss && get('algorithm.kl_ctrl.type') === 'adaptive'
    return klOf(
      { coef, name, inLoss },
      adaptive ? { target: get('algorithm.kl_ctrl.target_kl'), horizon: get('algorithm.kl_ctrl.horizon') } : null,
    )
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
  from: [`${model}.lora_rank`, `${model}.lora_alpha`, `${model}.target_modules`],
  apply: (get) => loraOf(get(`${model}.lora_rank`), get(`${model}.lora_alpha`), 16, get(`${model}.target_modules`)),
}

export const verl: ImportStyle = {
  name: 'verl',
  recognise: (settings) => [...settings.keys()].some((key) => key.startsWith('actor_rollout_ref.')),
  renames: {
    ...sharedRenames({ actor, model, rollout, critic: 'critic' }),
    'algorithm.norm_adv_by_std_in_grpo': {
      to: 'algorithm.advantage.scale',
      value: (on) => (on === false ? 'none' : 'group'),
    },
    [`${actor}.entropy_coeff`]: { to: 'algorithm.entropy.coef' },
    [`${actor}.grad_clip`]: { to: 'optimizer.maxGradNorm' },
    [`${actor}.optim.optimizer`]: optimizerState,
    'trainer.test_freq': { to: 'eval.every', value: zeroForMinusOne },
    'trainer.max_actor_ckpt_to_keep': keepLast,
  },
  combinations: [...sharedCombinations(`${model}.path`), ...[batches, kl, loss, place, reward, filtering, lora]],
  needless: [
    [
      'one process and one engine: nothing to shard, offload or launch',
      [
        `${actor}.fsdp_config.*`,
        `${actor}.megatron.*`,
        `${actor}.strategy`,
        `${actor}.optim.optimizer_impl`,
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
        `${model}.use_remove_padding`,
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
        `${model}.trust_remote_code`,
        `${model}.use_shm`,
        `${model}.external_lib`,
        'data.use_shm',
      ],
    ],
    [
      'rft train --resume auto',
      ['trainer.resume_mode', 'trainer.resume_from_path', 'trainer.del_local_ckpt_after_load'],
    ],
  ],
}
