/**
 * Back to a checkpoint after updates that led to values that are not finite. Skipped steps change no weights, so the
 * weights at fault are older than they are: the way back goes to before the last update that was made. The data cursor
 * stays where it is, since the same rows in the same order would lead to the same place.
 */

import { isAdapterFolder, openAdapter } from '../checkpoint/adapter.ts'
import { openCheckpoint } from '../checkpoint/hf_folder.ts'
import { dropCheckpointsAfter, newestSound } from '../checkpoint/retention.ts'
import { restoreCheckpoint, restoreCompanions } from '../checkpoint/run_checkpoint.ts'
import type { TrainerState } from '../checkpoint/trainer_state.ts'
import type { Run } from './run.ts'

/** @returns the state to go on from; `null` when there is no checkpoint to go back to. */
export async function rollBack(run: Run, warn: (message: string) => void): Promise<TrainerState | null> {
  const { config, state, policy, optimizer } = run
  const lastUpdate = state.step - state.skippedInARow
  const dir =
    (await newestSound(config.run.dir, warn, lastUpdate - 1)) ?? (await newestSound(config.run.dir, warn, lastUpdate))
  if (dir === null) return null
  const { sources } = (await isAdapterFolder(dir)) ? await openAdapter(dir, run.source) : await openCheckpoint(dir)
  const back = await restoreCheckpoint(dir, policy, optimizer, sources)
  await restoreCompanions(dir, run.companions ?? [])
  await policy.zeroGrad()
  await dropCheckpointsAfter(config.run.dir, back.step)
  return { ...back, rowsSeen: state.rowsSeen, skipped: state.skipped, rollbacks: state.rollbacks + 1 }
}
