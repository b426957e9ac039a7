/** Settings of EasyR1: `examples/config.yaml` and the overrides of its scripts. */
import type { Combination, ImportStyle } from './rules.ts'
import { isNumber, numberOr, optimizerState, zeroForMinusOne } from './shared.ts'
import { batchesOf, keepLast, klOf, loraOf, sharedCombinations, sharedRenames } from './verl_family.ts'

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
    const warmup = {
      steps: get('worker.actor.optim.lr_warmup_steps'),
      ratio: get('worker.actor.optim.lr_warmup_ratio'),
    }
    return batchesOf({ prompts, perUpdate, epochs, limit }, warmup, hints)
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
    const adaptive = get('algorithm.kl_type') === 'adaptive'
    return klOf(
      { coef: get('algorithm.kl_coef'), name, inLoss: get('algorithm.use_kl_loss') === true },
      adaptive ? { target: get('algorithm.kl_target'), horizon: get('algorithm.kl_horizon') } : null,
    )
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
  apply: (get) => {
    const part = (name: string) => get(`worker.actor.model.lora.${name}`)
    return loraOf(part('rank'), part('alpha'), 64, part('target_modules'))
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
    ...sharedRenames({
      actor: 'worker.actor',
      model: 'worker.actor.model',
      rollout: 'worker.rollout',
      critic: 'worker.critic',
    }),
    'data.max_pixels': { to: 'data.maxPixels' },
    'data.min_pixels': { to: 'data.minPixels' },
    'data.image_dir': { to: 'data.imageRoot' },
    'worker.actor.max_grad_norm': { to: 'optimizer.maxGradNorm' },
    'worker.actor.clip_ratio_low': { to: 'algorithm.loss.clipLow' },
    'worker.actor.clip_ratio_high': { to: 'algorithm.loss.clipHigh' },
    'worker.actor.clip_ratio_dual': { to: 'algorithm.loss.dualClip' },
    'worker.actor.loss_avg_mode': {
      to: 'algorithm.loss.aggregation',
      value: (mode) => (mode === 'seq' ? 'sequence-mean' : 'token-mean'),
    },
    'worker.actor.optim.strategy': optimizerState,
    'trainer.val_freq': { to: 'eval.every', value: zeroForMinusOne },
    'trainer.val_generations_to_log': {
      to: 'report.samples',
      value: (count) => (isNumber(count) && count > 0 ? count : undefined),
    },
    'trainer.save_limit': keepLast,
  },
  combinations: [
    ...sharedCombinations('worker.actor.model.model_path'),
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
    ['AdamW with betas of its own: optimizer.beta1, optimizer.beta2', ['worker.actor.optim.betas']],
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
