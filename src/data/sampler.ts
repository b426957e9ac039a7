/** Which row comes next: every row once per epoch, in a new seeded order each, with a cursor small enough to save. */
import { InputError } from '../core/errors.ts'
import { createRandom, permutation } from '../core/random.ts'

/** The place of the next row: `index` rows of epoch `epoch` are behind. */
export interface SamplerState {
  epoch: number
  index: number
}

export interface Sampler {
  /** The next `n` row indices; runs on into the next epoch. */
  next(n: number): number[]
  state(): SamplerState
  /** Continues from a saved state, in the order that the same size and seed gave before. */
  restore(state: SamplerState): void
}

/**
 * @param options.size rows in the dataset, at least 1.
 * @param options.shuffle false: rows in file order, every epoch.
 * @throws InputError for a size below 1, and from `restore` for a state that this size cannot have had.
 * @example
 * const sampler = createSampler({ size: rows.length, seed: 0 })
 * const batch = sampler.next(16).map((index) => rows[index]!)
 */
export function createSampler({
  size,
  seed,
  shuffle = true,
}: {
  size: number
  seed: number
  shuffle?: boolean
}): Sampler {
  if (!Number.isSafeInteger(size) || size < 1) throw new InputError('sampler', 'at least one row', size)
  let state: SamplerState = { epoch: 0, index: 0 }
  let order = orderOf(size, seed, 0, shuffle)
  const move = (to: SamplerState) => {
    if (to.epoch !== state.epoch) order = orderOf(size, seed, to.epoch, shuffle)
    state = to
  }
  return {
    next(n) {
      const indices: number[] = []
      while (indices.length < n) {
        if (state.index === size) move({ epoch: state.epoch + 1, index: 0 })
        const taken = Math.min(n - indices.length, size - state.index)
        indices.push(...order.subarray(state.index, state.index + taken))
        state = { epoch: state.epoch, index: state.index + taken }
      }
      return indices
    },
    state: () => ({ ...state }),
    restore({ epoch, index }) {
      const valid = Number.isSafeInteger(epoch) && epoch >= 0 && Number.isSafeInteger(index) && index >= 0
      if (!valid || index > size)
        throw new InputError('sampler state', `a place within ${size} rows`, { epoch, index }, 'Was the data changed?')
      move({ epoch, index })
    },
  }
}

function orderOf(size: number, seed: number, epoch: number, shuffle: boolean): Uint32Array {
  return shuffle ? permutation(size, createRandom(seed, epoch)) : Uint32Array.from({ length: size }, (_, k) => k)
}
