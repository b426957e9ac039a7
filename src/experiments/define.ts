/**
 * What an experiment is: a question, the runs that answer it (its arms), and what their results say. Arms start from the
 * same warm-started model, see the same pictures and are judged on the same held-out rows; they differ in the settings
 * that the question is about. One file per experiment.
 */
import type { ConfigInput } from '../config/schema.ts'
import type { ArmResult, Results } from './results.ts'

/** Settings of an arm over those that all arms share. Lists replace, sections are merged. */
export type ArmSettings = { [K in Exclude<keyof ConfigInput, 'run' | 'model'>]?: Partial<NonNullable<ConfigInput[K]>> }

/** A line of the drawn dataset. */
export interface ShapesLine {
  kind: string
  problem: string
  target: string
  /** Columns for rewards. */
  [column: string]: unknown
}

export interface Arm {
  /** Folder name: small letters, digits and hyphens. */
  name: string
  /** On the page. */
  label: string
  settings: ArmSettings
  /** Begins with the weights that this earlier arm ended with; absent: with those that all arms share. */
  after?: string
  /** Training rows as the arm sees them, `null` = not at all; absent: all as they are. */
  rows?: (row: ShapesLine, index: number) => ShapesLine | null
  /** Held-out rows as the arm's rewards see them: with further columns, none left out. */
  heldOut?: (row: ShapesLine) => ShapesLine
}

export interface Curve {
  /** Metric in `metrics.jsonl`. */
  metric: string
  title: string
  about: string
  percent?: boolean
  fromZero?: boolean
  /** Applied to each value, e.g. a square. */
  of?: (value: number) => number
}

/** What the page says. */
export interface Findings {
  /** One or two sentences, made from the numbers. */
  answer: string
  /** The main figure, and others beside it, as HTML. */
  figures: readonly string[]
}

export interface Column {
  head: string
  cell: (arm: ArmResult) => string
}

export interface Experiment {
  readonly name: string
  /** In the list of experiments and on top of the page. */
  readonly question: string
  /** What differs between the arms and what does not. */
  readonly about: string
  /** Steps of each arm unless `--steps` says otherwise. */
  readonly steps: number
  /** @param steps of each arm */
  arms(steps: number): readonly Arm[]
  /** Curves of all arms in one chart each; absent: `usualCurves`. */
  readonly curves?: readonly Curve[]
  /** Columns of the table besides those that every experiment has. */
  readonly columns?: readonly Column[]
  /** @param results of every arm */
  conclude(results: Results): Findings
}
