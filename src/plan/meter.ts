/** Watches the models of a step and keeps, for each phase, what was in memory when that phase needed most. */

import { needsReference } from '../config/algorithm.ts'
import type { Config } from '../config/schema.ts'
import type { Prompt } from '../core/types.ts'
import type { Model } from '../native/model.ts'
import type { Optimizer } from '../native/optimizer.ts'
import type { HeadRows, MemoryReport, Pack } from '../native/types.ts'
import type { Critic } from '../trainer/critic.ts'
import type { Policy, PolicyOptimizer, Scorer } from '../trainer/policy.ts'

/** `optimizer` includes the backward pass of the vision tower, which runs once for all packs. */
export const phaseNames = ['rollout', 'reward', 'score', 'update', 'optimizer', 'evaluation'] as const
export type PhaseName = (typeof phaseNames)[number]

export const partNames = [
  'weights',
  'reference',
  'rewards',
  'gradients',
  'optimizer',
  'activations',
  'images',
  'imageCache',
  'kvCache',
  'workspace',
] as const
/** What memory is for; a critic of its own counts with the policy; `reference`, `rewards` = weights of those models. */
export type PartName = (typeof partNames)[number]

/** What a learned reward's pass computes: hidden states, log-probs, or answers of so many tokens. */
export type Judgement = 'hidden' | 'logp' | { readonly generates: number }

/** Bytes. */
export type PhaseMemory = Record<PartName, number> & { total: number }

export class Meter {
  private readonly phases = new Map<PhaseName, PhaseMemory>()
  private readonly answers = new Map<string, { times: number; answer: unknown }>()
  private readonly policy: Model
  private readonly reference: Model | null
  private readonly critic: Model | null
  private readonly rewards: readonly Model[]
  private readonly skipRepeats: boolean
  private stateOffloaded = 0

  /**
   * @param skipRepeats for models that only count: do not run what has been counted.
   * @param rewards models of learned rewards
   */
  constructor(
    policy: Model,
    reference: Model | null,
    skipRepeats: boolean,
    critic: Model | null = null,
    rewards: readonly Model[] = [],
  ) {
    this.policy = policy
    this.reference = reference
    this.skipRepeats = skipRepeats
    this.critic = critic
    this.rewards = rewards
  }

  /** Phases that took place, in the order of a step. */
  result(): [PhaseName, PhaseMemory][] {
    return phaseNames.flatMap((name) => {
      const found = this.phases.get(name)
      return found ? [[name, found] as [PhaseName, PhaseMemory]] : []
    })
  }

  /** Bytes that the pools hold: in use or kept for reuse. */
  reserved(): number {
    return this.models().reduce((sum, model) => sum + model.memory().reserved, 0)
  }

  /** Bytes of host memory that offloaded parts take. */
  offloaded(): number {
    return this.models().reduce((sum, model) => sum + model.memory().offloaded, this.stateOffloaded)
  }

  private models(): Model[] {
    return [this.policy, this.reference, this.critic, ...this.rewards].filter((model) => model !== null)
  }

  /** A pack of a learned reward, by hidden states or by log-probs. */
  judge(model: Model, reads: 'hidden' | 'logp', pack: Pack, head: HeadRows): Promise<unknown> {
    return this.measurePack<unknown>('reward', [pack, head], () =>
      reads === 'hidden' ? model.hidden(pack, head.rows) : model.score(pack, head),
    )
  }

  /** A reward that answers prompts without images. */
  answer(model: Model, asked: readonly { prompt: Prompt }[], maxNewTokens: number): Promise<unknown> {
    const greedy = { temperature: 0, topK: 0, topP: 1, minP: 0, seed: 0, maxNewTokens }
    const none = { stopTokens: new Int32Array(0), forbiddenTokens: new Int32Array(0) }
    const requests = asked.map(({ prompt: { tokens, positionIds, nextPosition } }, stream) => ({
      ...{ tokens, positionIds, nextPosition, vision: null, samples: 1, stream },
    }))
    return this.measure('reward', () => model.generate(requests, { ...greedy, ...none }))
  }

  policyFor(phase: PhaseName): Policy {
    const { policy } = this
    return {
      // Completions that end at the limit may be masked out of the loss; the planned ones must not be.
      generate: async (...call) =>
        (await this.measure(phase, () => policy.generate(...call))).map((g) => ({ ...g, finish: 'eos' as const })),
      score: (...call) => this.measurePack('score', call, () => policy.score(...call)),
      forwardBackward: (...call) => this.measurePack('update', call, () => policy.forwardBackward(...call)),
      zeroGrad: () => policy.zeroGrad(),
    }
  }

  optimizerOf(optimizer: Optimizer): PolicyOptimizer {
    this.stateOffloaded += optimizer.offloaded
    return { step: (input) => this.measure('optimizer', () => optimizer.step(input)) }
  }

  /** Of the reference: a model of its own, or the policy without its adapters. */
  scorer({ algorithm, lora }: Config): Scorer | null {
    const { policy, reference } = this
    if (reference)
      return {
        score: (...call) => this.measurePack('score', call, () => reference.score(...call)),
        offload: () => reference.offload(),
      }
    if (!lora || !needsReference(algorithm)) return null
    return { score: (...call) => this.measurePack('score', call, () => policy.score(...call)) }
  }

  /** A critic of its own with its optimizer, or the value head of the policy. */
  criticOf(optimizer: Optimizer | null): Critic {
    const model = this.critic ?? this.policy
    return {
      model: {
        values: (...call) => this.measure('score', () => model.values(...call)),
        forwardBackward: (...call) => this.measure('update', () => model.forwardBackward(...call)),
        zeroGrad: () => model.zeroGrad(),
      },
      optimizer: optimizer && this.optimizerOf(optimizer),
    }
  }

  /**
   * Packs of one shape with the same images need the same memory once their images are in place, so the third and later
   * ones are answered as the second was.
   */
  private async measurePack<T>(phase: PhaseName, [pack, head]: [Pack, HeadRows, ...unknown[]], call: () => Promise<T>) {
    if (!this.skipRepeats) return this.measure(phase, call)
    const { tokens, segments, vision } = pack
    const shape = [phase, tokens.length, head.rows.length, segments.join(), ...(vision?.keys ?? [])].join(' ')
    const seen = this.answers.get(shape)
    if (seen?.times === 2) return seen.answer as T
    const answer = await this.measure(phase, call)
    this.answers.set(shape, { times: (seen?.times ?? 0) + 1, answer })
    return answer
  }

  private async measure<T>(phase: PhaseName, call: () => Promise<T>): Promise<T> {
    for (const model of this.models()) model.resetPeak()
    const out = await call()
    const now = sum(
      this.policy.memory(),
      this.reference?.memory() ?? null,
      this.critic?.memory() ?? null,
      this.rewards.map((model) => model.memory()),
    )
    const before = this.phases.get(phase)
    if (!before || now.total > before.total) this.phases.set(phase, now)
    return out
  }
}

function sum(
  policy: MemoryReport,
  reference: MemoryReport | null,
  critic: MemoryReport | null,
  rewards: readonly MemoryReport[],
): PhaseMemory {
  const all = [policy, reference, critic, ...rewards].filter((report) => report !== null)
  const over = (part: keyof MemoryReport, reports = all) => reports.reduce((bytes, report) => bytes + report[part], 0)
  return {
    weights: policy.weights + (critic?.weights ?? 0),
    reference: reference?.weights ?? 0,
    rewards: over('weights', [...rewards]),
    gradients: over('gradients'),
    optimizer: over('optimizer'),
    activations: over('activations'),
    images: over('images'),
    imageCache: 0,
    kvCache: over('kvCache'),
    workspace: over('workspace'),
    total: over('peak'),
  }
}
