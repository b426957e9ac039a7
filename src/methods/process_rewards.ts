/**
 * Rewards for the steps of a completion, placed on tokens: process supervision of GRPO (DeepSeekMath, Shao et al. 2024,
 * arXiv 2402.03300, section 4.1.3), and its mixture with the reward of the outcome.
 *
 *   steps end at "\n" before the next "### Step", or where `stepEnd` says; reward r_j sits on the last character of step j
 *   normalised over all step rewards of the group:  r~ = (r - mean) / (std + eps)
 *   advantage of a character = sum of r~ of the steps that end at or behind it
 */
import { meanOf } from './define.ts'

export interface StepReward {
  /** Index behind the step's last character. */
  readonly end: number
  readonly reward: number
}

/** Ends of the steps of a text: before each `marker` after the first, and the end of the text. */
export function stepEnds(completion: string, marker: string): number[] {
  const ends: number[] = []
  let place = completion.indexOf(marker)
  if (place === -1) return completion === '' ? [] : [completion.length]
  for (;;) {
    const next = completion.indexOf(marker, place + marker.length)
    ends.push(next === -1 ? completion.length : next)
    if (next === -1) return ends
    place = next
  }
}

/** Step rewards of a group with mean 0 and deviation 1 over all of them; alike: all 0. */
export function normaliseSteps(group: readonly (readonly StepReward[])[], eps: number): StepReward[][] {
  const all = group.flatMap((steps) => steps.map(({ reward }) => reward))
  const mean = meanOf(all)
  const variance = all.reduce((sum, r) => sum + (r - mean) ** 2, 0) / Math.max(1, all.length - 1)
  const std = Math.sqrt(variance)
  return group.map((steps) =>
    steps.map(({ end, reward }) => ({ end, reward: std === 0 ? 0 : (reward - mean) / (std + eps) })),
  )
}

/**
 * Return-to-go of each token: the discounted sum of the step rewards at or behind it.
 *
 * @param tokenEnds index behind the last character of each token
 */
export function tokenReturns(tokenEnds: readonly number[], steps: readonly StepReward[], gamma: number): number[] {
  const placed = tokenEnds.map(() => 0)
  for (const { end, reward } of steps) {
    const token = tokenEnds.findIndex((tokenEnd) => tokenEnd >= end)
    const at = token === -1 ? tokenEnds.length - 1 : token
    if (at >= 0) placed[at]! += reward
  }
  let sum = 0
  for (let t = placed.length - 1; t >= 0; t--) {
    sum = placed[t]! + gamma * sum
    placed[t] = sum
  }
  return placed
}

/** (1 - share) outcome + share process, token by token. */
export function mixOutcome(returns: readonly number[], outcome: number, share: number): number[] {
  return returns.map((value) => (1 - share) * outcome + share * value)
}
