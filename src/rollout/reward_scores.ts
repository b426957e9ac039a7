/** The scores of one reward over one batch, and why some of them are missing. */

import type { StepReward } from '../core/types.ts'
import type { StepScores } from '../rewards/define.ts'

/** Completions of one batch that a reward could not judge; each of them scored `null`. */
export interface RewardFailures {
  /** It threw, or its thread ended. */
  errors: number
  /** It did not answer in time. */
  timeouts: number
  /** It gave NaN, an infinity, or something that is not a number. */
  invalid: number
  lastMessage: string | null
}

export class Scores {
  readonly values: (number | null)[]
  /** Rewards of the steps of each completion; `null` where it gave one number. */
  readonly steps: (readonly StepReward[] | null)[]
  readonly failures: RewardFailures = { errors: 0, timeouts: 0, invalid: 0, lastMessage: null }
  readonly #pending: Set<number>

  constructor(count: number) {
    this.values = new Array<number | null>(count).fill(null)
    this.steps = new Array<null>(count).fill(null)
    this.#pending = new Set(this.values.keys())
  }

  /** Indices without an outcome, in order. */
  pending(): number[] {
    return [...this.#pending]
  }

  get pendingCount(): number {
    return this.#pending.size
  }

  /** What `score` gave: a finite number, null, or scores of steps; all else is invalid. */
  value(index: number, value: unknown): void {
    if (!this.#pending.delete(index)) return
    if (value === null || isFiniteNumber(value)) this.values[index] = value
    else {
      const steps = stepsOf(value)
      if (steps) {
        this.values[index] = (value as StepScores).score ?? meanOf(steps)
        this.steps[index] = steps
        return
      }
      this.failures.invalid++
      this.failures.lastMessage = `expected a finite number, null or { steps: [{ end, reward }], score } but received ${describe(value)}`
    }
  }

  error(index: number, message: string): void {
    if (!this.#pending.delete(index)) return
    this.failures.errors++
    this.failures.lastMessage = message
  }

  timeout(index: number, milliseconds: number): void {
    if (!this.#pending.delete(index)) return
    this.failures.timeouts++
    this.failures.lastMessage = `no answer within ${milliseconds / 1000} s`
  }
}

const isFiniteNumber = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(value)

const mostSteps = 10_000

/** The steps of a well-formed `StepScores`, `null` for anything else. */
function stepsOf(value: unknown): StepReward[] | null {
  if (typeof value !== 'object' || value === null) return null
  const { steps, score } = value as { steps?: unknown; score?: unknown }
  if (!Array.isArray(steps) || steps.length > mostSteps) return null
  if (score !== undefined && score !== null && !isFiniteNumber(score)) return null
  const isStep = (step: unknown): step is StepReward => {
    const { end, reward } = (step ?? {}) as Partial<StepReward>
    return Number.isInteger(end) && end! >= 0 && isFiniteNumber(reward)
  }
  return steps.every(isStep) ? steps.map(({ end, reward }) => ({ end, reward })) : null
}

const meanOf = (steps: readonly StepReward[]) =>
  steps.reduce((sum, { reward }) => sum + reward, 0) / Math.max(1, steps.length)

function describe(value: unknown): string {
  const text = typeof value === 'object' && value !== null && 'text' in value ? value.text : value
  try {
    return String(text).slice(0, 300)
  } catch {
    return typeof text
  }
}
