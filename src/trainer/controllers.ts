/** Coefficients that follow what training measures: the adaptive KL weight and the adaptive entropy bonus. */

import { adaptEntropy, adaptKlCoef, appliedEntropyCoef, type EntropyState, klCoef } from '../algorithms/index.ts'
import type { Config } from '../config/schema.ts'
import type { Group, Controllers as State } from '../core/types.ts'

/** Mean reward of right answers: the `accuracy` reward where there is one, else the reward. */
function accuracyOf(groups: readonly Group[]): number {
  const values = groups.flatMap((g) => g.rewardParts.accuracy ?? g.rewards).filter((r): r is number => r !== null)
  return values.reduce((sum, r) => sum + r, 0) / Math.max(1, values.length)
}

export class Controllers {
  private readonly config: Config
  private current: State

  /** @param state of a checkpoint; `null` entries stand for what the configuration says. */
  constructor(config: Config, state: State) {
    this.config = config
    this.current = state
  }

  /** Entries of coefficients that do not adapt are `null`. */
  get state(): State {
    return this.current
  }

  private get adaptedKl(): number {
    return this.current.klCoef ?? this.config.algorithm.kl.coef
  }

  private get entropy(): EntropyState {
    return { coef: this.current.entropyCoef ?? this.config.algorithm.entropy.coef, last: this.current.lastEntropy }
  }

  /** (groups) weight of the KL term for each prompt of a step. */
  klCoefs(groups: readonly Group[], step: number): number[] {
    const { kl } = this.config.algorithm
    const progress = Math.min(1, step / Math.max(1, this.config.train.steps - 1))
    const all = accuracyOf(groups)
    return groups.map((group) => {
      const accuracy = kl.accuracyOver === 'group' ? accuracyOf([group]) : all
      return klCoef(kl, progress, accuracy, this.adaptedKl)
    })
  }

  /** After a step with mean KL per token `kl` over `completions`. */
  sawKl(kl: number, completions: number): void {
    const { kl: options } = this.config.algorithm
    if (options.schedule === 'adaptive')
      this.current = { ...this.current, klCoef: adaptKlCoef(this.adaptedKl, kl, completions, options) }
  }

  /** Weight of the entropy bonus in the next update. */
  entropyCoef(): number {
    return appliedEntropyCoef(this.entropy, this.config.algorithm.entropy)
  }

  /** After an update of mean entropy `entropy`. */
  sawEntropy(entropy: number): void {
    const { entropy: options } = this.config.algorithm
    if (options.target === null) return
    const { coef, last } = adaptEntropy(this.entropy, entropy, options)
    this.current = { ...this.current, entropyCoef: coef, lastEntropy: last }
  }

  get usesEntropy(): boolean {
    const { coef, target } = this.config.algorithm.entropy
    return coef > 0 || target !== null
  }
}
