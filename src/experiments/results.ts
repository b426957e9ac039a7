/** What the arms of an experiment came to: answers to every held-out row, the run's metrics and alarms, and statistics of them. */
import { join } from 'node:path'
import { z } from 'zod'
import { InputError } from '../core/errors.ts'
import { type Estimate, pairedDifference, proportion } from '../evaluation/statistics.ts'
import type { AlarmRecord } from '../metrics/alarms.ts'
import type { MetricsRecord } from '../metrics/types.ts'
import type { Evaluation } from '../trainer/evaluate.ts'
import type { Arm } from './define.ts'
import { readJson, writeJson } from './json_file.ts'

/** Per kind of question, one character per held-out row in file order: 1 = right. */
export const answersSchema = z.record(z.string(), z.string().regex(/^[01]*$/))
export type Answers = Readonly<z.output<typeof answersSchema>>

/**
 * `outcome.json` of an arm. `steps` made are fewer than asked for when an alarm ended the run; `seconds` of training leave
 * evaluations out; `tokens` are those of prompts (once per completion) and of completions.
 */
const outcomeSchema = z.object({
  steps: z.int().min(0),
  seconds: z.number().min(0),
  completions: z.int().min(0),
  tokens: z.int().min(0),
  answers: answersSchema,
})
export type Outcome = z.output<typeof outcomeSchema>

export interface ArmResult extends Outcome {
  arm: Arm
  /** Place among the arms: number of its colour. */
  place: number
  records: readonly MetricsRecord[]
  alarms: readonly AlarmRecord[]
}

export interface Results {
  /** Of the model that all arms start from. */
  start: Answers
  /** In the order of the experiment. */
  arms: readonly ArmResult[]
}

export function answersOf({ groups }: Evaluation): Answers {
  const out: Record<string, string> = {}
  for (const { prompt, rewardParts } of groups) {
    const kind = String(prompt.row.columns.kind ?? 'all')
    out[kind] = `${out[kind] ?? ''}${(rewardParts.accuracy?.[0] ?? 0) > 0.5 ? '1' : '0'}`
  }
  return out
}

/** 1 for each right row, 0 for each wrong one, kind after kind. */
export function rightOf(answers: Answers, kinds: readonly string[] = Object.keys(answers).sort()): number[] {
  return kinds.flatMap((kind) => [...(answers[kind] ?? '')].map(Number))
}

/** @param kinds absent: all of them */
export function accuracyOf(answers: Answers, kinds?: readonly string[]): Estimate {
  const right = rightOf(answers, kinds)
  return proportion(
    right.reduce((sum, one) => sum + one, 0),
    right.length,
  )
}

/** Accuracy after minus before, over the same rows. */
export function changeOf(before: Answers, after: Answers, kinds?: readonly string[]): Estimate {
  return pairedDifference(rightOf(before, kinds), rightOf(after, kinds))
}

/** @throws InputError when there is no arm of this name. */
export function armOf({ arms }: Results, name: string): ArmResult {
  const found = arms.find(({ arm }) => arm.name === name)
  if (!found) throw new InputError('arm', arms.map(({ arm }) => arm.name).join(' or '), name)
  return found
}

/** Mean of a metric over the last `share` of its records; NaN when no record has it. */
export function lateMean({ records }: Pick<ArmResult, 'records'>, metric: string, share = 0.25): number {
  const values = records.flatMap((record) => (Number.isFinite(record[metric]) ? [record[metric]!] : []))
  const last = values.slice(-Math.max(1, Math.ceil(values.length * share)))
  return last.length === 0 ? Number.NaN : last.reduce((sum, value) => sum + value, 0) / last.length
}

/** Median over the steps: what else the machine does moves it little. */
export function secondsPerStep({ records }: Pick<ArmResult, 'records'>): number {
  const times = records.flatMap(({ step_time }) => step_time ?? []).sort((a, b) => a - b)
  return times[times.length >> 1] ?? Number.NaN
}

const outcomeName = 'outcome.json'

export const writeOutcome = (armDir: string, outcome: Outcome) => writeJson(join(armDir, outcomeName), outcome)

/** @returns `null` when the arm is not finished. @throws InputError for a file that is no outcome. */
export const readOutcome = (armDir: string) =>
  readJson(join(armDir, outcomeName), outcomeSchema, 'the outcome of an arm')
