/** Rewards -> one advantage per token, by the rule that `algorithm.advantage.kind` names. */

import { klEstimators } from '../algorithms/index.ts'
import { type AlgorithmConfig, advantageKind } from '../config/algorithm.ts'
import type { Group } from '../core/types.ts'
import { gae, gdpo, groupAdvantage, standardize, whiten } from '../native/kernels.ts'
import { flatten, unflatten } from './experience.ts'
import { type PlacedStep, processAdvantages } from './process_rewards.ts'

export interface AdvantageInput {
  groups: readonly Group[]
  /** (B) tokens that have a loss. */
  lengths: readonly number[]
  /** Factor of each reward function, for `gdpo`. */
  rewardWeights: Readonly<Record<string, number>>
  /** (B) columns: what the KL term takes off the reward of each token; `null` = nothing. */
  klPenalty: Float32Array[] | null
  /** (B) columns of the critic; `null` without one. */
  values: Float32Array[] | null
  /** (groups) reward of each prompt's greedy completion, for `remax`. */
  baselines: readonly (number | null)[] | null
  /** (B) steps of the completions, for `advantage.process`; `null` = rewards are those of outcomes alone. */
  steps: readonly (readonly PlacedStep[])[] | null
}

export interface Advantages {
  /** (B) columns (tokens of the completion). */
  columns: Float32Array[]
  /** (B) the mean over each completion's tokens, for people. */
  means: Float32Array
  /** (B) columns that the critic learns; `null` without one. */
  returns: Float32Array[] | null
}

/** A completion without a reward has advantage 0 everywhere. */
export function computeAdvantages(input: AdvantageInput, algorithm: AlgorithmConfig): Advantages {
  const kind = advantageKind(algorithm)
  if (kind === 'gae' || kind === 'reinforce++') return tokenAdvantages(input, algorithm)
  const scalars = completionAdvantages(input, algorithm, kind)
  const final = algorithm.advantage.standardize ? standardize(scalars, algorithm.advantage) : scalars
  const tokens = input.groups.flatMap((g) => g.completions.map((c) => c.tokens.length))
  const columns = tokens.map((n, b) => new Float32Array(n).fill(final[b]!))
  if (!input.steps) return { columns, means: final, returns: null }
  const share = algorithm.advantage.process?.share ?? 0
  const ofSteps = processAdvantages(input.steps, tokens, groupIds(input.groups), algorithm.advantage)
  const mixed = columns.map((column, b) => column.map((a, t) => (1 - share) * a + share * ofSteps[b]![t]!))
  return { columns: mixed, means: columnMeans(mixed), returns: null }
}

const columnMeans = (columns: readonly Float32Array[]) =>
  Float32Array.from(columns, (c) => c.reduce((sum, a) => sum + a, 0) / Math.max(1, c.length))

/** The reward of each completion, NaN where it has none, less what the KL term takes off. */
export function rewardsOf({ groups, klPenalty }: Pick<AdvantageInput, 'groups' | 'klPenalty'>): Float32Array {
  const rewards = groups.flatMap((g) => g.rewards.map((r) => r ?? Number.NaN))
  const penalty = (b: number) => klPenalty?.[b]?.reduce((sum, x) => sum + x, 0) ?? 0
  return Float32Array.from(rewards, (r, b) => r - penalty(b))
}

const groupIds = (groups: readonly Group[]) => Int32Array.from(groups.flatMap((g, i) => g.completions.map(() => i)))

type CompletionRule = Exclude<ReturnType<typeof advantageKind>, 'gae' | 'reinforce++'>

function completionAdvantages(input: AdvantageInput, algorithm: AlgorithmConfig, kind: CompletionRule): Float32Array {
  const { groups, lengths, baselines } = input
  const { scale, eps, ddof } = algorithm.advantage
  const ids = groupIds(groups)
  const rewards = rewardsOf(input)
  if (kind === 'gdpo') return decoupled(input, { scale, eps, ddof })
  if (kind === 'reinforce++-baseline') {
    const above = groupAdvantage(rewards, ids, { kind: 'group', scale: 'none', eps })
    return whiten(
      above,
      Int32Array.from(lengths, (n, b) => (Number.isNaN(rewards[b]!) ? 0 : n)),
    )
  }
  if (kind === 'opo') return groupAdvantage(rewards, ids, { kind, lengths: Int32Array.from(lengths) })
  if (kind === 'remax')
    return groupAdvantage(rewards, ids, {
      kind,
      baselines: Float32Array.from(ids, (g) => baselines?.[g] ?? Number.NaN),
    })
  if (kind === 'group') return groupAdvantage(rewards, ids, { kind, scale, eps, ddof })
  return groupAdvantage(rewards, ids, { kind, eps, ddof })
}

/** GDPO looks at each reward function by itself; the KL penalty is one more, of weight 1. */
function decoupled(
  { groups, rewardWeights, klPenalty }: AdvantageInput,
  rule: { scale: 'group' | 'batch' | 'none'; eps: number; ddof: 0 | 1 },
): Float32Array {
  const names = Object.keys(groups[0]?.rewardParts ?? {})
  const parts = names.map((name) =>
    groups.flatMap((g) => g.completions.map((_, i) => g.rewardParts[name]?.[i] ?? Number.NaN)),
  )
  const weights = names.map((name) => rewardWeights[name] ?? 1)
  if (klPenalty) {
    parts.push(klPenalty.map((column) => -column.reduce((sum, x) => sum + x, 0)))
    weights.push(1)
  }
  return gdpo(Float32Array.from(parts.flat()), Float32Array.from(weights), groupIds(groups), rule)
}

/** The reward at a completion's last token, those of its steps, the KL term at each, and a scan from the end. */
function tokenAdvantages(input: AdvantageInput, { advantage, critic }: AlgorithmConfig): Advantages {
  const { groups, lengths, klPenalty, values, steps } = input
  const share = (steps && advantage.process?.share) ?? 0
  const completions = groups.flatMap((g) => g.completions)
  const scores = groups.flatMap((g) => g.rewards)
  const { flat: rewards, sequences } = flatten(
    completions.map(({ tokens }, b) => {
      const column = klPenalty ? klPenalty[b]!.map((x) => -x) : new Float32Array(tokens.length)
      column[tokens.length - 1]! += (1 - share) * (scores[b] ?? 0)
      for (const { token, reward } of steps?.[b] ?? []) column[token]! += share * reward
      return column
    }),
  )
  const mask = Uint8Array.from(rewards, () => 1)
  for (const b of completions.keys())
    if (scores[b] === null || lengths[b] === 0) mask.fill(0, sequences[b]!, sequences[b + 1]!)
  const scan = gae(
    { rewards, values: values && flatten(values).flat, mask, sequences },
    { gamma: advantage.gamma, lambda: values ? advantage.lambda : 1 },
  )
  const plain = values !== null && !critic.whitenAdvantages
  const columns = unflatten(plain ? scan.advantages : whiten(scan.advantages, Int32Array.from(mask)), sequences)
  return {
    columns,
    means: columnMeans(columns),
    returns: values && unflatten(scan.returns, sequences),
  }
}

/** (B) columns of coef x KL estimate between the policy that sampled and the reference. */
export function klPenalties(
  oldLogp: readonly Float32Array[],
  refLogp: readonly Float32Array[],
  coef: number,
  estimator: keyof typeof klEstimators,
): Float32Array[] {
  const estimate = klEstimators[estimator]
  return oldLogp.map((column, b) => column.map((logp, t) => coef * estimate(logp, refLogp[b]![t]!).value))
}
