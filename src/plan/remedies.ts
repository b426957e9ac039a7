/** What lowers the memory of a run: settings changed one at a time, each planned anew. */

import { needsReference } from '../config/algorithm.ts'
import type { Config } from '../config/schema.ts'
import type { OpsDevice } from '../native/types.ts'
import { type Plan, type PlanSource, planStep } from './plan.ts'

export interface Remedy {
  /** As one writes it behind `--set`. */
  change: string
  /** Bytes with this change alone: the peak, and what the process would hold. */
  peak: number
  reserved: number
}

export interface Remedies {
  /** Those that help, most first. */
  single: Remedy[]
  /** Those that do not help, because another phase needs most. */
  useless: string[]
  /** All changes that do not alter what is learnt (recomputing, smaller micro-batches, offloading) at once; `null` without any. */
  free: Remedy | null
  /** Everything above at once. */
  all: Remedy | null
}

/** A change that saves less than a hundredth is none. */
const WORTHWHILE = 0.99

interface Change {
  key: string
  value: unknown
  /** The result of a step stays the same. */
  free?: boolean
  apply(config: Config): Config
}

/** @param plan of `config` itself. */
export async function findRemedies(config: Config, source: PlanSource, plan: Plan): Promise<Remedies> {
  const helping: { change: Change; remedy: Remedy }[] = []
  const useless: string[] = []
  for (const change of changesFor(config, plan)) {
    const remedy = await tryOut(config, source, [change])
    if (remedy.peak < WORTHWHILE * plan.peak.total) helping.push({ change, remedy })
    else useless.push(remedy.change)
  }
  helping.sort((a, b) => a.remedy.peak - b.remedy.peak)
  const together = async (changes: Change[]) => (changes.length > 1 ? tryOut(config, source, changes) : null)
  const changes = helping.map(({ change }) => change)
  const free = changes.filter((change) => change.free)
  return {
    single: helping.map(({ remedy }) => remedy),
    useless,
    free: await together(free),
    all: free.length < changes.length ? await together(changes) : null,
  }
}

async function tryOut(config: Config, source: PlanSource, changes: readonly Change[]): Promise<Remedy> {
  const changed = changes.reduce((before, change) => change.apply(before), config)
  const { peak, reserved } = await planStep(changed, source)
  return { change: changes.map(show).join(' '), peak: peak.total, reserved }
}

const show = ({ key, value }: Change) => `${key}=${JSON.stringify(value)}`

/** Changes that make sense for this run. */
function changesFor(config: Config, { step, model: planned }: Plan): Change[] {
  const { algorithm, model, optimizer, rollout, train, data } = config
  const half = (value: number) => Math.ceil(value / 2)
  const grpo = step.trainer !== 'sft'
  const changes: (Change | false)[] = [
    !model.recompute && set('model', 'recompute', true, true),
    train.tokensPerMicroBatch > 1 && set('train', 'tokensPerMicroBatch', half(train.tokensPerMicroBatch), true),
    grpo && rollout.groupSize > 2 && set('rollout', 'groupSize', Math.max(2, half(rollout.groupSize))),
    grpo &&
      half(rollout.promptsPerStep) >= algorithm.miniBatches &&
      rollout.promptsPerStep > 1 &&
      set('rollout', 'promptsPerStep', half(rollout.promptsPerStep)),
    grpo && rollout.maxNewTokens > 1 && set('rollout', 'maxNewTokens', half(rollout.maxNewTokens)),
    grpo && planned.device === 'cpu' && rollout.weights === 'fp32' && set('rollout', 'weights', 'bf16'),
    optimizer.state !== '8bit' && set('optimizer', 'state', '8bit'),
    optimizer.gradDtype !== 'bf16' && set('optimizer', 'gradDtype', 'bf16'),
    planned.dtype === 'bf16' && !optimizer.stochasticRounding && set('optimizer', 'stochasticRounding', true),
    !grpo && train.batchSize > 1 && set('train', 'batchSize', half(train.batchSize)),
    step.images.count > 0 &&
      half(step.images.pixels) >= (data.minPixels ?? 1) &&
      set('data', 'maxPixels', half(step.images.pixels)),
    step.images.count > 0 && !model.freeze.includes('vision') && set('model', 'freeze', [...model.freeze, 'vision']),
    ...offloadsFor(config, planned.device),
    grpo &&
      needsReference(algorithm) && {
        ...{ key: 'algorithm.kl.coef', value: 0, free: false },
        apply: (c) => ({
          ...c,
          algorithm: { ...c.algorithm, kl: { ...c.algorithm.kl, coef: 0, schedule: 'constant' } },
        }),
      },
  ]
  return changes.filter((change) => change !== false)
}

/** Of what could live on the host. */
function offloadsFor({ algorithm, lora, train }: Config, device: OpsDevice): Change[] {
  if (device !== 'cuda') return []
  const own = needsReference(algorithm) && !lora && algorithm.kl.reference === 'frozen'
  const parts = own ? (['optimizer', 'reference'] as const) : (['optimizer'] as const)
  return parts
    .filter((part) => !train.offload[part])
    .map((part) => ({
      ...{ key: `train.offload.${part}`, value: true, free: true },
      apply: (c) => ({ ...c, train: { ...c.train, offload: { ...c.train.offload, [part]: true } } }),
    }))
}

function set<
  S extends 'model' | 'train' | 'rollout' | 'data' | 'algorithm' | 'optimizer',
  K extends keyof Config[S] & string,
>(section: S, key: K, value: Config[S][K], free = false): Change {
  return {
    ...{ key: `${section}.${key}`, value, free },
    apply: (config) => ({ ...config, [section]: { ...config[section], [key]: value } }),
  }
}
