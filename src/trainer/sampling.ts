/** Prompts -> judged groups: rollout, rewards, shaping, and another round where too few groups have anything to teach. */

import { cosineLength, repetition, softOverlong } from '../algorithms/index.ts'
import type { Config } from '../config/schema.ts'
import type { Completion, Group, Prompt } from '../core/types.ts'
import type { Phases } from '../metrics/phases.ts'
import { type CollectOptions, collect, type Generator } from '../rollout/collect.ts'
import { judge } from '../rollout/judge.ts'
import type { RewardFailures, RewardRunner } from '../rollout/reward_runner.ts'
import { continueCompletions } from './continuations.ts'
import { filterByMethods, type MethodStages, shapeByMethods } from './method_stages.ts'
import { collectVariants } from './variants.ts'

export interface SamplingContext {
  config: Config
  policy: Generator
  rewards: RewardRunner
  sampling: Omit<CollectOptions, 'step' | 'samples'>
  /** The methods of the run; `null` without any. */
  methods: MethodStages | null
  /** Further prompts of the run, for dynamic sampling. */
  refill?: (count: number) => Promise<Prompt[]>
  signal?: AbortSignal
}

export interface SampledGroups {
  /** What the update learns from. */
  groups: Group[]
  /** Everything sampled, in order. */
  all: Group[]
  failures: Record<string, RewardFailures>[]
  rounds: number
}

/** Samples and judges the prompts; with dynamic sampling until enough groups are informative, a bounded number of times. */
export async function sampleGroups(
  context: SamplingContext,
  prompts: Prompt[],
  step: number,
  phases: Phases,
): Promise<SampledGroups> {
  const { maxRounds } = context.config.algorithm.dynamicSampling
  const wanted = prompts.length
  const out: SampledGroups = { groups: [], all: [], failures: [], rounds: 0 }
  for (let next = prompts; next.length > 0; ) {
    const sampled = await phases.time('rollout', () => sampleRound(context, next, step, out.all.length))
    const { groups, failures } = await phases.time('reward', () => judge(context.rewards, sampled, context.signal))
    const first = (out.all.length + next.length) * context.config.rollout.groupSize * 2
    const continued = context.methods
      ? await phases.time('rollout', () => continueCompletions(groups, context, context.methods!, step, first))
      : groups
    const shaped = shapeByAll(continued, context)
    out.all.push(...shaped)
    out.failures.push(failures)
    out.groups.push(...worthTraining(shaped, context))
    const missing = wanted - out.groups.length
    const again = missing > 0 && out.rounds < maxRounds && context.refill
    if (again) out.rounds++
    next = again ? await again(missing) : []
  }
  // Nothing to learn is a step without a gradient, not a step without groups.
  if (out.groups.length === 0) out.groups = out.all.slice(0, wanted)
  return out
}

/** Those with something to teach, by dynamic sampling and by the methods of the run. */
function worthTraining(groups: Group[], { config, methods }: SamplingContext): Group[] {
  const kept = methods ? filterByMethods(groups, methods) : groups
  const { maxRounds } = config.algorithm.dynamicSampling
  return maxRounds === 0 ? kept : kept.filter((group) => isInformative(group, config))
}

function shapeByAll(groups: Group[], { config, methods }: SamplingContext): Group[] {
  const shaped = groups.map((group) => shapeRewards(group, config))
  return methods ? shapeByMethods(shaped, methods) : shaped
}

function sampleRound(
  { policy, sampling, config, methods, signal }: SamplingContext,
  prompts: Prompt[],
  step: number,
  first: number,
) {
  if (methods) return collectVariants(policy, prompts, methods, { ...sampling, step, first }, signal)
  const options = { ...sampling, step, samples: config.rollout.groupSize, first }
  return collect(policy, prompts, options, { signal })
}

/** Reward of the greedy completion of each prompt; `null` where no reward function had a value. */
export async function greedyRewards(context: SamplingContext, prompts: Prompt[], step: number) {
  const { policy, sampling, rewards, signal, config } = context
  const greedy = { ...sampling, step, samples: 1, temperature: 0, topK: 0, topP: 1, minP: 0 }
  const { groups } = await judge(rewards, await collect(policy, prompts, greedy, { signal }), signal)
  return groups.map((group) => shapeRewards(group, config).rewards[0]!)
}

/** The mean reward is inside the bounds and the rewards differ. */
export function isInformative({ rewards }: Pick<Group, 'rewards'>, { algorithm }: Config): boolean {
  const { low, high } = algorithm.dynamicSampling
  const valued = rewards.filter((r): r is number => r !== null)
  const mean = valued.reduce((sum, r) => sum + r, 0) / Math.max(1, valued.length)
  return valued.some((r) => r !== valued[0]) && mean > low && mean < (high ?? Number.POSITIVE_INFINITY)
}

/** Adds the rewards of length and repetition to those of the reward functions, each under its own name. */
export function shapeRewards(group: Group, { algorithm, rollout }: Config): Group {
  const { shaping } = algorithm
  const length = rollout.maxNewTokens
  const terms: [string, number, (c: Completion, i: number) => number][] = [
    ['soft_overlong', shaping.overlongWeight, (c) => softOverlong(c.tokens.length, length, shaping.overlongCache)],
    [
      'cosine_length',
      shaping.cosineWeight,
      (c, i) => cosineLength((group.rewardParts[shaping.cosineReward]?.[i] ?? 0) > 0.5, c.tokens.length, length),
    ],
    ['repetition', shaping.repetitionWeight, (c) => repetition(c.tokens, shaping.repetitionNgram)],
  ]
  const active = terms.filter(([name, weight]) => (name === 'soft_overlong' ? shaping.overlongCache : weight) > 0)
  if (active.length === 0) return group
  const parts = { ...group.rewardParts }
  const rewards = [...group.rewards]
  for (const [name, weight, of] of active) {
    const values = group.completions.map(of)
    parts[name] = values
    // A completion that no reward function could judge stays without a reward.
    for (const [i, value] of values.entries()) if (rewards[i] !== null) rewards[i]! += weight * value
  }
  return { ...group, rewards, rewardParts: parts }
}
