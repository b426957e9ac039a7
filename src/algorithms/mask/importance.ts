/**
 * Importance weights of the trainer's log-probs against another sampler's (rollout correction):
 *
 *   log w = old - sampled per token, or its sum (product of ratios) or mean (geometric mean) over the completion
 *   truncate: clamp(w, low, high)      mask: 0 where w is outside [low, high]
 *
 * TRL and verl multiply over a completion, ms-swift and OpenRLHF take the geometric mean: the same bound rejects very
 * different shares of long completions. The readable twin of the native kernel `importanceRatio`.
 */
import type { ImportanceOptions } from '../../native/types.ts'

export interface ImportanceColumns {
  oldLogp: ArrayLike<number>
  /** NaN = not reported: no correction. */
  sampledLogp: ArrayLike<number>
  mask: ArrayLike<number> | null
  /** (B + 1) offsets of the completions. */
  sequences: ArrayLike<number>
}

export function importanceRatio(input: ImportanceColumns, options: ImportanceOptions): Float64Array {
  const out = new Float64Array(input.oldLogp.length)
  const logRatio = (i: number) => (input.mask && !input.mask[i] ? 0 : input.oldLogp[i]! - input.sampledLogp[i]! || 0)
  const bounded = (log: number) => {
    const w = Math.exp(log)
    if (options.bound === 'mask') return w < options.low || w > options.high ? 0 : w
    return Math.min(Math.max(w, options.low), options.high)
  }
  for (let b = 0; b + 1 < input.sequences.length; b++) {
    const rows = Array.from(
      { length: input.sequences[b + 1]! - input.sequences[b]! },
      (_, k) => input.sequences[b]! + k,
    )
    const count = rows.filter((i) => !input.mask || input.mask[i]).length
    const sum = rows.reduce((total, i) => total + logRatio(i), 0)
    const whole = options.level === 'sequence-geometric' ? sum / Math.max(1, count) : sum
    for (const i of rows) out[i] = bounded(options.level === 'token' ? logRatio(i) : whole)
  }
  return out
}
