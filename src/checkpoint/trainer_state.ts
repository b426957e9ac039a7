/** `trainer_state.json`: everything besides tensors that the steps after a checkpoint depend on. */

import { join } from 'node:path'
import { InputError } from '../core/errors.ts'
import type { Controllers } from '../core/types.ts'
import { readJsonObject } from './files.ts'

export const STATE_FILE = 'trainer_state.json'

/** A completion of an earlier step. Columns are base64 of little-endian 32-bit values. */
export interface SavedReplayItem {
  /** Id of its training row. */
  row: string
  text: string
  finish: string
  length: number
  reward: number
  mean: number
  tokens: string
  logp: string
  entropy: string
  advantages: string
  oldLogp: string
  refLogp: string | null
}

export interface TrainerState {
  version: 2
  /** Steps completed. */
  step: number
  /** Updates the optimizer has counted. */
  optimizerSteps: number
  /** Training rows visited: the data cursor. */
  rowsSeen: number
  /** Sum of TRL's `num_tokens`. */
  numTokens: number
  /** Skipped steps in a row up to here, and in all. */
  skippedInARow: number
  skipped: number
  /** Times the run went back to a checkpoint because too many steps in a row were skipped. */
  rollbacks: number
  controllers: Controllers
  /** Completions kept to be trained on again; absent without a method that does so. */
  replay?: SavedReplayItem[]
  /** Best value so far of the metric that `checkpoint.keepBest` names. */
  best: { metric: string; value: number; step: number } | null
  seed: number
  /** Fingerprint of the training data. */
  data: string
}

/** The state of a run that has not begun. */
export function freshState(seed: number, data: string): TrainerState {
  return {
    ...{ version: 2, step: 0, optimizerSteps: 0, rowsSeen: 0, numTokens: 0 },
    ...{ skippedInARow: 0, skipped: 0, rollbacks: 0 },
    controllers: { klCoef: null, entropyCoef: null, lastEntropy: null },
    ...{ best: null, seed, data },
  }
}

const counts = [
  ...['step', 'optimizerSteps', 'rowsSeen', 'numTokens'],
  ...['skippedInARow', 'skipped', 'rollbacks', 'seed'],
]

/** Reads and checks the state of a checkpoint. @throws InputError naming file and field. */
export async function readTrainerState(dir: string): Promise<TrainerState> {
  const file = join(dir, STATE_FILE)
  const state = await readJsonObject(file)
  if (state.version !== 2) throw new InputError(`${file} version`, '2', state.version)
  for (const key of counts)
    if (!Number.isSafeInteger(state[key]) || (state[key] as number) < 0)
      throw new InputError(`${file} ${key}`, 'an integer >= 0', state[key])
  const controllers = state.controllers as Controllers | null
  for (const key of ['klCoef', 'entropyCoef', 'lastEntropy'] as const)
    if (controllers?.[key] !== null && !Number.isFinite(controllers?.[key]))
      throw new InputError(`${file} controllers.${key}`, 'a number or null', controllers?.[key])
  return state as unknown as TrainerState
}
