/**
 * Rewards of steps on the tokens of completions: process supervision (DeepSeekMath, Shao et al. 2024, arXiv 2402.03300,
 * section 4.1.3), mixed with the reward of the outcome.
 *
 *   step j of a completion ends at token end(j) and earned r_j
 *   r~_j = (r_j - mean) / (std + eps)      mean and deviation over all steps of the group, `advantage.scale` as for outcomes
 *   P_t  = sum over steps with end(j) >= t of gamma^(end(j) - t) r~_j
 *   A_t  = (1 - share) A_outcome + share P_t
 *
 * With a critic or returns (gae, reinforce++) the r_j themselves stand on the tokens where steps end, share r_j beside
 * (1 - share) times the outcome at the last token.
 */
import type { Group, ProcessReward } from '../core/types.ts'
import { gae, groupAdvantage } from '../native/kernels.ts'
import { flatten, unflatten } from './experience.ts'

/** A step of a completion: the token that ends it, and what it earned. */
export interface PlacedStep {
  readonly token: number
  readonly reward: number
}

type Decode = (tokens: Int32Array) => string

/** (B) the steps of each completion; none where it has no reward at all. */
export function placeSteps(groups: readonly Group[], decode: Decode): PlacedStep[][] {
  return groups.flatMap(({ completions, process, rewards }) =>
    completions.map(({ tokens }, i) => {
      const steps = (rewards[i] === null ? null : process?.[i])?.steps ?? []
      return steps.map(({ end, reward }) => ({ token: tokenAt(tokens, end, decode), reward }))
    }),
  )
}

/** The reward without the scores of what judged steps: those count by step. */
export function outcomesOf({ rewards, process }: Group): (number | null)[] {
  return rewards.map((reward, i) => (reward === null ? null : reward - (process?.[i]?.score ?? 0)))
}

/** Index of the first token up to which the text has `characters`, the last token when there are fewer. */
function tokenAt(tokens: Int32Array, characters: number, decode: Decode): number {
  let [low, high] = [0, Math.max(0, tokens.length - 1)]
  while (low < high) {
    const middle = (low + high) >> 1
    if (decode(tokens.subarray(0, middle + 1)).length >= characters) high = middle
    else low = middle + 1
  }
  return low
}

interface ProcessRule {
  scale: 'group' | 'batch' | 'none'
  eps: number
  ddof: 0 | 1
  gamma: number
}

/**
 * (B) columns P_t.
 *
 * @param lengths (B) tokens of the completions
 * @param groupIds (B)
 */
export function processAdvantages(
  steps: readonly (readonly PlacedStep[])[],
  lengths: readonly number[],
  groupIds: Int32Array,
  { scale, eps, ddof, gamma }: ProcessRule,
): Float32Array[] {
  const owners = Int32Array.from(steps.flatMap((own, b) => own.map(() => groupIds[b]!)))
  const rewards = Float32Array.from(steps.flat(), ({ reward }) => reward)
  const relative = groupAdvantage(rewards, owners, { kind: 'group', scale, eps, ddof })
  const placed = lengths.map((n) => new Float32Array(n))
  let at = 0
  for (const [b, own] of steps.entries()) for (const { token } of own) placed[b]![token]! += relative[at++]!
  const { flat, sequences } = flatten(placed)
  return unflatten(
    gae({ rewards: flat, values: null, mask: null, sequences }, { gamma, lambda: 1 }).advantages,
    sequences,
  )
}

/** `process/judged`: completions with rewards of steps; `process/steps`: steps of each of those. */
export function processMetrics(groups: readonly Group[]): Record<string, number> {
  const all = groups.flatMap(({ completions, process }) => completions.map((_, i) => process?.[i] ?? null))
  const judged = all.filter((own): own is ProcessReward => own !== null)
  const steps = judged.reduce((sum, own) => sum + own.steps.length, 0)
  return {
    'process/judged': judged.length / Math.max(1, all.length),
    'process/steps': steps / Math.max(1, judged.length),
  }
}
