/** The scores of one reward over one batch, and why some of them are missing. */

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
  readonly failures: RewardFailures = { errors: 0, timeouts: 0, invalid: 0, lastMessage: null }
  readonly #pending: Set<number>

  constructor(count: number) {
    this.values = new Array<number | null>(count).fill(null)
    this.#pending = new Set(this.values.keys())
  }

  /** Indices without an outcome, in order. */
  pending(): number[] {
    return [...this.#pending]
  }

  get pendingCount(): number {
    return this.#pending.size
  }

  /** What `score` gave: a finite number or null counts, all else is invalid. */
  value(index: number, value: unknown): void {
    if (!this.#pending.delete(index)) return
    if (value === null || (typeof value === 'number' && Number.isFinite(value))) this.values[index] = value
    else {
      this.failures.invalid++
      this.failures.lastMessage = `expected a finite number or null but received ${describe(value)}`
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

function describe(value: unknown): string {
  const text = typeof value === 'object' && value !== null && 'text' in value ? value.text : value
  try {
    return String(text).slice(0, 300)
  } catch {
    return typeof text
  }
}
