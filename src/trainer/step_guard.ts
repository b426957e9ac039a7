/**
 * Watches one step from outside. A call without progress for too long (a hung reward, a stuck device) ends the step
 * with an error that names the call; a request to stop may abandon a step that has not changed the weights yet.
 */

import type { RewardRunner } from '../rollout/reward_runner.ts'
import type { Critic } from './critic.ts'
import type { Policy, PolicyOptimizer, Scorer } from './policy.ts'

/** No progress within `train.stallSeconds`. */
export class StallError extends Error {
  override name = 'StallError'
}

/** The reason that an abandoned step ends with. */
export class AbandonedStep extends Error {
  override name = 'AbandonedStep'
}

/** The parts of a step that are watched. */
export interface StepParts {
  policy: Policy
  optimizer: PolicyOptimizer
  reference: Scorer | null
  rewards: RewardRunner
  critic?: Critic | null
}

/** After an abort, calls get this long to return before the step is given up without them. */
const RETURN_MS = 20_000

export class StepGuard {
  private readonly controller = new AbortController()
  private readonly seconds: number
  private activity = 'the start of the step'
  private since = performance.now()
  /** An update has begun: the weights may differ from those the step started with. */
  updating = false

  /** @param stallSeconds 0 = wait for ever. */
  constructor(stallSeconds: number) {
    this.seconds = stallSeconds
  }

  /** Hands this to everything the step calls. */
  get signal(): AbortSignal {
    return this.controller.signal
  }

  /** Ends the step unless its update has begun. */
  abandon(): void {
    if (!this.updating) this.controller.abort(new AbandonedStep('the step was abandoned on request'))
  }

  /** The same parts, watched. */
  watch<T extends StepParts>(parts: T): Omit<T, keyof StepParts> & StepParts {
    const { policy, optimizer, reference, rewards } = parts
    return {
      ...parts,
      policy: {
        generate: (requests, options, hooks) =>
          this.during('generation', () =>
            policy.generate(requests, options, {
              ...hooks,
              onProgress: (progress) => {
                this.progress()
                hooks?.onProgress?.(progress)
              },
            }),
          ),
        score: (...call) => this.during('scoring', () => policy.score(...call)),
        forwardBackward: (...call) =>
          this.during('the forward and backward pass', () => policy.forwardBackward(...call)),
        zeroGrad: () => policy.zeroGrad(),
        beginStep: (step) => policy.beginStep?.(step),
      },
      optimizer: this.updates('the optimizer step', optimizer),
      critic: parts.critic && this.watchCritic(parts.critic),
      reference: reference && {
        score: (...call) => this.during('scoring by the reference', () => reference.score(...call)),
        offload: async () => reference.offload?.(),
      },
      rewards: { ...rewards, score: (...call) => this.during('the rewards', () => rewards.score(...call)) },
    }
  }

  private watchCritic({ model, optimizer }: Critic): Critic {
    return {
      model: {
        values: (...call) => this.during('the values', () => model.values(...call)),
        forwardBackward: (...call) => this.during("the critic's pass", () => model.forwardBackward(...call)),
        zeroGrad: () => model.zeroGrad(),
      },
      optimizer: optimizer && this.updates("the critic's optimizer step", optimizer),
    }
  }

  private updates(activity: string, optimizer: PolicyOptimizer): PolicyOptimizer {
    return {
      step: (input) => {
        this.updating = true
        return this.during(activity, () => optimizer.step(input))
      },
    }
  }

  /**
   * @param outer aborting it aborts the step, with its reason.
   * @throws StallError, AbandonedStep, the reason of `outer`, or what `body` throws.
   */
  async run<T>(body: () => Promise<T>, outer?: AbortSignal): Promise<T> {
    const { controller } = this
    const stop = () => controller.abort(outer!.reason)
    outer?.addEventListener('abort', stop)
    const timer = setInterval(() => this.check(), Math.min(1000, this.seconds * 250 || 1000))
    let late: NodeJS.Timeout | undefined
    const given = new Promise<never>((_, reject) => {
      const giveUp = () => {
        late = setTimeout(
          () => reject(controller.signal.reason as Error),
          Math.min(RETURN_MS, this.seconds * 10_000 || RETURN_MS),
        )
      }
      controller.signal.addEventListener('abort', giveUp)
    })
    try {
      return await Promise.race([body(), given])
    } catch (error) {
      throw controller.signal.aborted ? controller.signal.reason : error
    } finally {
      clearInterval(timer)
      clearTimeout(late)
      outer?.removeEventListener('abort', stop)
    }
  }

  private check(): void {
    if (this.seconds === 0 || performance.now() - this.since < this.seconds * 1000) return
    const remedy = 'Look at what hangs; train.stallSeconds sets the limit'
    const received = `none from ${this.activity}`
    this.controller.abort(
      new StallError(`expected progress within ${this.seconds} s but received ${received}. ${remedy}`),
    )
  }

  private progress(): void {
    this.since = performance.now()
  }

  private async during<T>(activity: string, call: () => Promise<T>): Promise<T> {
    this.activity = activity
    this.progress()
    try {
      return await call()
    } finally {
      this.activity = `what follows ${activity}`
      this.progress()
    }
  }
}
