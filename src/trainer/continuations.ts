/**
 * Completions that are cut, prompted again and continued:
 *
 *   [ prompt ][ kept tokens ][ trigger ]  ->  generate  ->  [ kept ][ trigger ][ new ]  as one completion of the prompt
 *
 * Its log-probs are not all the sampler's (nobody sampled the trigger), so the group is scored again before the update.
 */

import type { Completion, Group, Prompt } from '../core/types.ts'
import type { Continuation, Sample } from '../methods/index.ts'
import { type CollectOptions, collect, type Generator } from '../rollout/collect.ts'
import { judge } from '../rollout/judge.ts'
import type { RewardRunner } from '../rollout/reward_runner.ts'
import { type MethodStages, toSampleGroup } from './method_stages.ts'

export interface ContinuationContext {
  policy: Generator
  rewards: RewardRunner
  sampling: Omit<CollectOptions, 'step' | 'samples'>
  signal?: AbortSignal
}

/** Kept tokens and trigger of one continuation. */
interface Beginning {
  readonly choice: Continuation
  readonly group: Group
  readonly tokens: Int32Array
}

/** The groups with those continuations in place that their method accepts. `first` = streams used by the step so far. */
export async function continueCompletions(
  groups: readonly Group[],
  context: ContinuationContext,
  methods: MethodStages,
  step: number,
  first: number,
): Promise<Group[]> {
  const { continuation } = methods.stages
  if (!continuation) return [...groups]
  const choices = continuation.choose(groups.map(toSampleGroup), methods.stage)
  const beginnings = choices.flatMap((choice) => beginningOf(choice, groups[choice.group]!, context, methods) ?? [])
  if (beginnings.length === 0) return [...groups]
  const continued = await generate(beginnings, context, step, first)
  const { groups: judged } = await judge(context.rewards, continued, context.signal)
  const out = groups.map((group) => ({ ...group, completions: [...group.completions], rewards: [...group.rewards] }))
  for (const [k, { choice, tokens }] of beginnings.entries()) {
    const before = toSampleGroup(groups[choice.group]!).samples[choice.sample]!
    const after = toSampleGroup(judged[k]!).samples[0] as Sample
    if (continuation.accepts(before, after, after.tokens - tokens.length))
      put(out[choice.group]!, choice.sample, judged[k]!)
  }
  return out
}

function beginningOf(
  choice: Continuation,
  group: Group,
  { sampling }: ContinuationContext,
  { encode }: MethodStages,
): Beginning | null {
  const own = group.completions[choice.sample]!.tokens
  const whole = own.length > 0 && sampling.stopTokens.includes(own.at(-1)!) ? own.subarray(0, -1) : own
  const kept = whole.subarray(0, tokensWithin(whole, choice.keepCharacters, sampling.decode))
  const tokens = Int32Array.from([...kept, ...encode(choice.trigger)])
  return tokens.length < sampling.maxNewTokens ? { choice, group, tokens } : null
}

/** Tokens whose text together is no longer than `characters`. */
function tokensWithin(tokens: Int32Array, characters: number, decode: (tokens: Int32Array) => string): number {
  let [low, high] = [0, tokens.length]
  while (low < high) {
    const middle = (low + high + 1) >> 1
    if (decode(tokens.subarray(0, middle)).length <= characters) low = middle
    else high = middle - 1
  }
  return low
}

async function generate(beginnings: readonly Beginning[], context: ContinuationContext, step: number, first: number) {
  const { policy, sampling, signal } = context
  const prompts = beginnings.map(({ group, tokens }) => extend(group.prompt, tokens))
  const sampled = await collect(policy, prompts, { ...sampling, step, samples: 1, first }, { signal })
  return sampled.map(({ completions }, k) => {
    const { group, tokens } = beginnings[k]!
    return { prompt: group.prompt, completions: [join(tokens, completions[0]!, sampling)] }
  })
}

/** The prompt with further text behind it. */
export function extend(prompt: Prompt, tokens: Int32Array): Prompt {
  const [T, n] = [prompt.tokens.length, tokens.length]
  const positionIds = new Int32Array(3 * (T + n))
  for (let axis = 0; axis < 3; axis++) {
    positionIds.set(prompt.positionIds.subarray(axis * T, (axis + 1) * T), axis * (T + n))
    for (let i = 0; i < n; i++) positionIds[axis * (T + n) + T + i] = prompt.nextPosition + i
  }
  const all = Int32Array.from([...prompt.tokens, ...tokens])
  return { ...prompt, tokens: all, positionIds, nextPosition: prompt.nextPosition + n }
}

/** Beginning and continuation as one completion, cut at the length limit. */
function join(
  begin: Int32Array,
  added: Completion,
  { maxNewTokens, decode }: ContinuationContext['sampling'],
): Completion {
  const tokens = Int32Array.from([...begin, ...added.tokens]).subarray(0, maxNewTokens)
  const column = (of: Float32Array) => {
    const out = new Float32Array(tokens.length)
    out.set(of.subarray(0, tokens.length - begin.length), begin.length)
    return out
  }
  const isCut = begin.length + added.tokens.length > maxNewTokens
  return {
    ...{ tokens, logp: column(added.logp), entropy: column(added.entropy), text: decode(tokens) },
    finish: isCut ? 'length' : added.finish,
  }
}

function put(group: Group, sample: number, judged: Group): void {
  group.completions[sample] = judged.completions[0]!
  group.rewards[sample] = judged.rewards[0]!
  if (group.process || judged.process) {
    const before = group.process ?? group.completions.map(() => null)
    group.process = before.map((own, i) => (i === sample ? (judged.process?.[0] ?? null) : own))
  }
  const parts = Object.entries(group.rewardParts)
  group.rewardParts = Object.fromEntries(
    parts.map(([name, all]) => [name, all.map((v, i) => (i === sample ? (judged.rewardParts[name]?.[0] ?? null) : v))]),
  )
  group.rescore = true
  group.continued = group.completions.map((_, i) => i === sample || (group.continued?.[i] ?? false))
}
