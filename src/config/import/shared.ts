/** Values that several trainers write the same way. */
import type { Assignment, ImportHints, Rename } from './rules.ts'

export const isNumber = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(value)
export const numberOr = (value: unknown, otherwise: number): number => (isNumber(value) ? value : otherwise)

/** `-1` means "none" for limits there, `0` here. */
export const zeroForMinusOne = (value: unknown) => (isNumber(value) && value < 0 ? 0 : value)

export const list = (value: unknown): unknown[] => (Array.isArray(value) ? value : [value])

/** The name of an optimizer: 8-bit and bf16 variants of AdamW keep their moments so. */
export const optimizerState: Rename = {
  to: 'optimizer.state',
  value: (name) => {
    const text = String(name).toLowerCase()
    if (!text.includes('adam')) return undefined
    return /8_?bit/.test(text) ? '8bit' : text.includes('bf16') ? 'bf16' : undefined
  },
}

/** Data files and folders; `owner/name` and `owner/name@split` are datasets of the Hub. */
export function files(key: string, value: unknown): Assignment[] {
  const names = list(value).map(String)
  const away = names.filter((name) => /^[\w.-]+\/[\w.-]+(?:@\w+)?$/.test(name) && !/\.(jsonl?|parquet)$/.test(name))
  const note = `${away.join(', ')}: of the Hub; read from its cache, where it is downloaded to when it is not there`
  return [{ key, value: names, note: away.length > 0 ? note : undefined }]
}

/** A model folder; `owner/name` is one of the Hub. */
export function modelPath(value: unknown): Assignment[] {
  const name = String(value)
  const isHub = /^[\w.-]+\/[\w.-]+$/.test(name)
  return [
    { key: 'model.path', value: name, note: isHub ? 'a model of the Hub; download it and name its folder' : undefined },
  ]
}

/** Epochs of prompts -> steps. */
export function stepsOf(epochs: number, promptsPerStep: number, { rows }: ImportHints): Assignment {
  const steps = rows === null ? 100 : Math.max(1, Math.floor((rows * epochs) / promptsPerStep))
  const sum = `${epochs} epochs x rows / ${promptsPerStep} prompts`
  const note = rows === null ? `${sum}: the number of rows is not known (--rows), so 100 stands for it` : sum
  return { key: 'train.steps', value: steps, note }
}

/** Names of KL estimators in verl and EasyR1. */
export const klEstimators: Readonly<Record<string, string>> = {
  kl: 'k1',
  k1: 'k1',
  mse: 'k2',
  k2: 'k2',
  low_var_kl: 'k3',
  k3: 'k3',
}

/** Names of advantage estimators in verl and EasyR1. */
export function advantageOf(name: unknown): Assignment[] {
  const kinds: Readonly<Record<string, string>> = {
    grpo: 'group',
    grpo_passk: 'pass-at-k',
    rloo: 'rloo',
    remax: 'remax',
    opo: 'opo',
    gpg: 'gpg',
    reinforce_plus_plus: 'reinforce++',
    reinforce_plus_plus_baseline: 'reinforce++-baseline',
  }
  if (name === 'gae') return [{ key: 'algorithm.trainer', value: 'ppo' }]
  const kind = Object.hasOwn(kinds, String(name)) ? kinds[String(name)] : undefined
  if (kind !== undefined) return [{ key: 'algorithm.advantage.kind', value: kind }]
  return [
    { key: 'algorithm.advantage.kind', value: 'group', note: `${String(name)} is not known here; group stands for it` },
  ]
}

/** Python reward functions by what their name says; weights in the same order. */
export function rewardsOf(names: readonly unknown[], weights: readonly unknown[]): Assignment {
  const notes: string[] = []
  const rewards = names.flatMap((name, i) => {
    const known = knownReward(String(name))
    if (!known) notes.push(`${String(name)}: write it as a reward file (docs/rewards.md); left out`)
    const weight = isNumber(weights[i]) ? { weight: weights[i] } : {}
    return known ? [{ ...known, ...weight }] : []
  })
  if (rewards.length === 0) {
    notes.push('accuracy stands for what is missing')
    rewards.push({ name: 'accuracy' })
  }
  return { key: 'rewards', value: rewards, note: notes.length > 0 ? notes.join('. ') : undefined }
}

function knownReward(name: string): { name: string; parameters?: object } | null {
  const last = name.split(/[./:]/).filter(Boolean).at(-1) ?? ''
  const plain = last.replace(/_(reward|func|function)s?$/, '').replace(/^(get|reward)_/, '')
  const known: Readonly<Record<string, { name: string; parameters?: object }>> = {
    accuracy: { name: 'math' },
    reasoning_accuracy: { name: 'math' },
    format: { name: 'format' },
    think_format: { name: 'format', parameters: { style: 'think' } },
    tag_count: { name: 'tag_count' },
    soft_overlong_punishment: { name: 'overlong' },
    repetition_penalty: { name: 'repetition' },
    cosine_scaled: { name: 'cosine' },
    len: { name: 'length' },
    length: { name: 'length' },
    iou: { name: 'box_iou' },
  }
  return Object.hasOwn(known, plain) ? known[plain]! : null
}
