/**
 * Named starting points: the constants of papers, and the defaults of other trainers. A preset is a plain partial
 * configuration; whatever the user writes wins. A `loss` of another kind replaces the preset's loss as a whole, since
 * its constants belong to its kind; the user's lists (`rewards`, `methods`) replace the preset's. Presets of methods are in
 * method_presets.ts.
 */
import { methodPresets } from './method_presets.ts'

export interface Preset {
  /** Where the constants come from. */
  source: string
  settings: {
    algorithm: Record<string, unknown>
    rollout?: Record<string, unknown>
    optimizer?: Record<string, unknown>
    data?: Record<string, unknown>
    model?: Record<string, unknown>
    rewards?: readonly unknown[]
    methods?: readonly unknown[]
  }
}

const rl = (
  source: string,
  algorithm: Record<string, unknown>,
  rollout?: Record<string, unknown>,
  optimizer?: Record<string, unknown>,
): Preset => ({ source, settings: { algorithm, ...(rollout ? { rollout } : {}), ...(optimizer ? { optimizer } : {}) } })

const algorithmPresets = {
  grpo: rl(
    'DeepSeek-R1, arXiv 2501.12948: k3 KL in the loss, mean over completions, ratio bound 10, 16 completions',
    {
      loss: { kind: 'clip', clipLow: 1, clipHigh: 10, aggregation: 'sequence-mean' },
      kl: { coef: 1e-3, estimator: 'k3' },
      miniBatches: 16,
    },
    { groupSize: 16 },
  ),
  dr_grpo: rl(
    'Dr. GRPO, arXiv 2503.20783: no deviation, no length normalisation, no KL',
    { advantage: { kind: 'group', scale: 'none' }, loss: { kind: 'clip', aggregation: 'fixed-length' } },
    { groupSize: 8 },
    { lr: 1e-6 },
  ),
  dapo: rl(
    'DAPO, arXiv 2503.14476: clip-higher, token mean, dynamic sampling, overlong filter and punishment',
    {
      loss: { kind: 'clip', clipLow: 0.2, clipHigh: 0.28, aggregation: 'rollout-token-mean' },
      maskTruncated: true,
      dynamicSampling: { maxRounds: 10 },
      shaping: { overlongCache: 4096 },
    },
    { groupSize: 16, maxNewTokens: 20_480 },
    { lr: 1e-6 },
  ),
  gspo: rl('GSPO, arXiv 2507.18071: clipped ratio of whole completions, four mini-batches', {
    loss: { kind: 'gspo', clipLow: 3e-4, clipHigh: 4e-4, aggregation: 'sequence-mean' },
    miniBatches: 4,
  }),
  cispo: rl('MiniMax-M1, arXiv 2506.13585 with the bound that TRL recommends: clipped weights, absolute bound 5', {
    loss: { kind: 'cispo', bound: 'absolute', clipLow: 0, clipHigh: 5, aggregation: 'rollout-token-mean' },
  }),
  sapo: rl('SAPO, arXiv 2511.20347: sigmoid gate of temperature 1 and 1.05', {
    loss: { kind: 'sapo', tauPositive: 1, tauNegative: 1.05, aggregation: 'sequence-mean' },
  }),
  rloo: rl(
    'RLOO, arXiv 2402.14740 as in TRL RLOOTrainer: leave-one-out baseline, k1 KL in the reward',
    {
      advantage: { kind: 'rloo' },
      loss: { kind: 'sequence-product', clipLow: 0.2, clipHigh: 0.2, aggregation: 'sequence-mean' },
      kl: { coef: 0.05, estimator: 'k1', place: 'reward' },
    },
    { groupSize: 2 },
  ),
  'reinforce++': rl('REINFORCE++, arXiv 2501.03262: whitened returns per token, k1 KL in the reward', {
    advantage: { kind: 'reinforce++', gamma: 1 },
    loss: { kind: 'clip', clipLow: 0.2, clipHigh: 0.2, aggregation: 'token-mean' },
    kl: { coef: 0.01, estimator: 'k1', place: 'reward' },
  }),
  ppo: rl(
    'PPO of TRL (experimental): critic, GAE 1 / 0.95, k1 KL in the reward, four passes',
    {
      trainer: 'ppo',
      advantage: { kind: 'gae', gamma: 1, lambda: 0.95 },
      loss: { kind: 'clip', clipLow: 0.2, clipHigh: 0.2, aggregation: 'token-mean' },
      kl: { coef: 0.05, estimator: 'k1', place: 'reward' },
      critic: { valueClip: 0.2 },
      updatesPerRollout: 4,
    },
    undefined,
    { lr: 3e-6 },
  ),
  'lite-ppo': rl('Lite-PPO, arXiv 2508.08221: deviation of the batch, token mean, no critic', {
    advantage: { kind: 'group', scale: 'batch' },
    loss: { kind: 'clip', clipLow: 0.2, clipHigh: 0.2, aggregation: 'token-mean' },
  }),
  trl: rl(
    'Defaults of TRL GRPOTrainer 1.13',
    {
      advantage: { kind: 'group', scale: 'group', eps: 1e-4 },
      loss: { kind: 'clip', clipLow: 0.2, clipHigh: 0.2, aggregation: 'rollout-token-mean' },
    },
    { groupSize: 8, temperature: 1, topP: 1, maxNewTokens: 512 },
    { lr: 1e-6, schedule: 'linear', maxGradNorm: 1 },
  ),
  verl: rl(
    'Defaults of verl with adv_estimator grpo',
    {
      advantage: { kind: 'group', scale: 'group', eps: 1e-6 },
      loss: { kind: 'clip', clipLow: 0.2, clipHigh: 0.2, dualClip: 3, aggregation: 'token-mean' },
    },
    { temperature: 1, topP: 1, maxNewTokens: 512 },
    { lr: 1e-6, weightDecay: 0.01, maxGradNorm: 1 },
  ),
  easyr1: rl(
    'Example settings of EasyR1 (examples/config.yaml)',
    {
      advantage: { kind: 'group', scale: 'group', eps: 1e-6 },
      loss: { kind: 'clip', clipLow: 0.2, clipHigh: 0.3, dualClip: 3, aggregation: 'token-mean' },
      kl: { coef: 1e-2, estimator: 'k3' },
    },
    { groupSize: 5, temperature: 1, topP: 1, maxNewTokens: 2048 },
    { lr: 1e-6, weightDecay: 0.01, maxGradNorm: 1 },
  ),
} as const satisfies Record<string, Preset>

export const presets: typeof algorithmPresets & typeof methodPresets = { ...algorithmPresets, ...methodPresets }

export type PresetName = keyof typeof presets
export const presetNames = Object.keys(presets) as [PresetName, ...PresetName[]]

/** One line per preset, for `rft config explain algorithm.preset`. */
export const presetSummary = Object.entries(presets)
  .map(([name, { source }]) => `${name.padEnd(17)} ${source}`)
  .join('\n')

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** The preset that a configuration as written names, if it is one we know. */
export function presetOf(input: unknown): Preset | null {
  const algorithm = isRecord(input) ? input.algorithm : undefined
  const name = isRecord(algorithm) ? algorithm.preset : undefined
  return typeof name === 'string' && Object.hasOwn(presets, name) ? presets[name as PresetName] : null
}

/** What the user wrote over what its preset says. */
export function applyPreset(input: unknown): unknown {
  const preset = presetOf(input)
  return preset ? merge(preset.settings, input) : input
}

function merge(below: unknown, above: unknown): unknown {
  if (above === undefined) return below
  if (!isRecord(below) || !isRecord(above)) return above
  const otherLoss = 'kind' in below && 'kind' in above && isLoss(below) && below.kind !== above.kind
  if (otherLoss) return above
  const keys = new Set([...Object.keys(below), ...Object.keys(above)])
  return Object.fromEntries([...keys].map((key) => [key, merge(below[key], above[key])]))
}

const isLoss = (section: Record<string, unknown>) => 'aggregation' in section

/** Where a key that the user did not write comes from. */
export function presetValue(preset: Preset, key: string): unknown {
  return key.split('.').reduce<unknown>((node, part) => (isRecord(node) ? node[part] : undefined), preset.settings)
}
