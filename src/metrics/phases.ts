/** Seconds spent per named phase of a step. */

/**
 * @example
 * const phases = new Phases()
 * const groups = await phases.time('rollout', () => collect(prompts))
 * sink.step({ step, ...phases.take() }) // { 'timing/rollout': 1.62, ... }
 */
export class Phases {
  readonly #now: () => number
  readonly #seconds = new Map<string, number>()

  /** @param now milliseconds of a clock that never goes back */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now
  }

  /** Runs `body` and adds its time to the phase, whether it succeeds or fails. */
  async time<T>(name: string, body: () => T | Promise<T>): Promise<T> {
    const begin = this.#now()
    try {
      return await body()
    } finally {
      this.#seconds.set(name, (this.#seconds.get(name) ?? 0) + (this.#now() - begin) / 1000)
    }
  }

  /** The collected seconds as metrics `timing/<phase>`; the next step starts from nothing. */
  take(): Record<`timing/${string}`, number> {
    const record = Object.fromEntries([...this.#seconds].map(([name, seconds]) => [`timing/${name}`, seconds]))
    this.#seconds.clear()
    return record
  }
}
