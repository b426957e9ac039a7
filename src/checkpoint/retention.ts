/** Which checkpoints a run folder has, which of them is the newest sound one, and which are kept. */

import { readdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { InputError } from '../core/errors.ts'
import { verifyChecksums } from './checksums.ts'

export const checkpointsFolder = (runDir: string) => join(runDir, 'checkpoints')

/** The folder of one checkpoint. */
export const checkpointPath = (runDir: string, step: number) => join(checkpointsFolder(runDir), `step-${step}`)

/** Steps of the complete checkpoints of a run, oldest first. */
export async function listCheckpoints(runDir: string): Promise<number[]> {
  const names = await readdir(checkpointsFolder(runDir)).catch(() => [])
  return names
    .flatMap((name) => /^step-(\d+)$/.exec(name)?.[1] ?? [])
    .map(Number)
    .sort((a, b) => a - b)
}

/**
 * The newest checkpoint whose files are what was written; damaged ones on the way are moved to `damaged-<step>`.
 *
 * @param warn is told about each damaged one.
 * @param last the latest step to look at.
 * @returns its folder; `null` when there is none up to that step.
 * @throws InputError when it has checkpoints and all are damaged.
 */
export async function newestSound(
  runDir: string,
  warn: (message: string) => void,
  last = Number.POSITIVE_INFINITY,
): Promise<string | null> {
  const steps = (await listCheckpoints(runDir)).filter((step) => step <= last)
  for (const step of steps.toReversed()) {
    const path = checkpointPath(runDir, step)
    try {
      await verifyChecksums(path)
      return path
    } catch (error) {
      const aside = join(checkpointsFolder(runDir), `damaged-${step}`)
      await rm(aside, { recursive: true, force: true })
      await rename(path, aside)
      const reason = error instanceof Error ? error.message : String(error)
      warn(`${reason}. Moved to ${aside}; going back to the checkpoint before it`)
    }
  }
  if (steps.length === 0) return null
  const remedy = 'Start again with run.overwrite, or put back a copy of a checkpoint'
  throw new InputError(checkpointsFolder(runDir), 'a checkpoint that is not damaged', 'none', remedy)
}

/** Removes what an interrupted save left behind. */
export async function cleanStale(runDir: string): Promise<void> {
  const folder = checkpointsFolder(runDir)
  for (const name of await readdir(folder).catch(() => []))
    if (name.startsWith('.tmp-')) await rm(join(folder, name), { recursive: true, force: true })
}

/** Removes all checkpoints but the newest `keepLast` and the best one. */
export async function pruneCheckpoints(runDir: string, keepLast: number, bestStep: number | null): Promise<void> {
  const steps = await listCheckpoints(runDir)
  for (const step of steps.slice(0, Math.max(0, steps.length - keepLast)))
    if (step !== bestStep) await rm(checkpointPath(runDir, step), { recursive: true, force: true })
}

/** Removes the checkpoints of a way that the run has turned back from. */
export async function dropCheckpointsAfter(runDir: string, step: number): Promise<void> {
  for (const later of await listCheckpoints(runDir))
    if (later > step) await rm(checkpointPath(runDir, later), { recursive: true, force: true })
}
