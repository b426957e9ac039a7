/** `alarms.jsonl`: what was raised in a run, one line each. */
import { join } from 'node:path'
import { type LinesFile, openLines, readLines } from './lines.ts'

/** An alarm that has just been raised. */
export interface AlarmRecord {
  readonly step: number
  /** Its name, e.g. `truncation`. */
  alarm: string
  /** What is going wrong in general, what was seen, and what to do. */
  about: string
  seen: string
  remedy: string
  /** What the run did about it. */
  action: string
  /** Completions as the rewards read them; empty for most alarms. */
  details: readonly string[]
}

export const alarmsFileName = 'alarms.jsonl'

/** @param resumedStep the step a run continues from: later alarms are cut. Without it the file starts empty. */
export const alarmsWriter = (runDir: string, resumedStep?: number): LinesFile<AlarmRecord> =>
  openLines<AlarmRecord>(join(runDir, alarmsFileName), resumedStep)

/** The alarms of a run folder, oldest first. */
export const readAlarms = (runDir: string): AlarmRecord[] => readLines<AlarmRecord>(join(runDir, alarmsFileName))
