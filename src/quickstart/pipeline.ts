/** The quickstart from nothing to a trained model: draw, create, imitate, reinforce, evaluate with and without sight. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Config } from '../config/schema.ts'
import { generateShapes } from '../data/shapes/index.ts'
import type { MetricsSink } from '../metrics/types.ts'
import { native } from '../native/binding.ts'
import { writeReport } from '../report/write.ts'
import type { Evaluation } from '../trainer/evaluate.ts'
import { evaluateRun } from '../trainer/evaluate_run.ts'
import { openRun } from '../trainer/open.ts'
import { peakRssMb, type TrainResult, train, trainRun } from '../trainer/train.ts'
import { createModel } from './model.ts'
import {
  heldOutRows,
  places,
  type QuickstartOptions,
  reinforceConfig,
  trainRows,
  warmStartConfig,
  warmStartRows,
} from './settings.ts'

/** `report.json`. Accuracies are shares of the held-out rows, greedy. */
export interface QuickstartReport {
  seed: number
  /** After the warm start, after reinforcement, and the trained model on greyed images. */
  sftAccuracy: number
  rlAccuracy: number
  blindAccuracy: number
  perKind: Record<string, { rows: number; bestConstant: number; sft: number; rl: number; blind: number }>
  heldOut: number
  /** Everything from the first picture to the last evaluation. */
  seconds: number
  secondsOf: Record<string, number>
  steps: number
  /** Prompt and completion tokens per second of reinforcement steps. */
  tokensPerSecond: number
  peakRssMb: number
}

export interface Hooks {
  /** A sink for each run's progress. */
  progress(config: Config): MetricsSink
  headline(text: string): void
  stop?: AbortSignal
}

/** @returns the report, which is also written to `report.json`; `null` when it was asked to stop. */
export async function quickstart(options: QuickstartOptions, hooks: Hooks): Promise<QuickstartReport | null> {
  const { dir, seed } = options
  const { data, model } = places(dir)
  const clock = new Clock()
  native().setThreads(options.threads)

  hooks.headline(`drawing ${warmStartRows + trainRows} pictures to train on and ${heldOutRows} held-out ones`)
  await clock.time('data', () =>
    generateShapes({ dir: data, seed, train: trainRows, heldOut: heldOutRows, warmStart: warmStartRows }),
  )
  await clock.time('model', () => createModel(model, seed))

  const warmStart = warmStartConfig(options)
  hooks.headline(`warm start: ${warmStart.train.steps} steps of imitation`)
  const start = await clock.time('warmStart', () =>
    train(warmStart, { sinks: [hooks.progress(warmStart)], stop: hooks.stop }),
  )
  if (start.stopped) return null

  const config = reinforceConfig(options, start.checkpoint)
  hooks.headline(`reinforcement: ${config.train.steps} steps of GRPO`)
  const run = await openRun(config)
  try {
    const result = await clock.time('reinforcement', () =>
      trainRun(run, { sinks: [hooks.progress(config)], stop: hooks.stop }),
    )
    if (result.stopped) return null
    hooks.headline('blind control: the same questions with greyed images')
    const blind = await clock.time('blind', () => evaluateRun(run, { blind: true }))
    const report = summarise(options, result, blind, clock)
    await writeFile(join(dir, 'report.json'), `${JSON.stringify(report, null, 2)}\n`)
    await writeReport(dir)
    return report
  } finally {
    run.dispose()
  }
}

function summarise(
  { seed }: QuickstartOptions,
  { firstEvaluation, lastEvaluation, state, tokens, stepSeconds }: TrainResult,
  blind: Evaluation,
  clock: Clock,
): QuickstartReport {
  const [before, after] = [firstEvaluation!, lastEvaluation!]
  const perKind = Object.fromEntries(
    Object.entries(after.perKind).map(([kind, { rows, bestConstant, accuracy }]) => [
      kind,
      { rows, bestConstant, sft: before.perKind[kind]!.accuracy, rl: accuracy, blind: blind.perKind[kind]!.accuracy },
    ]),
  )
  return {
    seed,
    sftAccuracy: before.accuracy!,
    rlAccuracy: after.accuracy!,
    blindAccuracy: blind.accuracy!,
    perKind,
    heldOut: after.rows,
    seconds: clock.total(),
    secondsOf: clock.seconds,
    steps: state.step,
    tokensPerSecond: tokens / stepSeconds,
    peakRssMb: peakRssMb(),
  }
}

class Clock {
  readonly seconds: Record<string, number> = {}
  private readonly begun = performance.now()

  async time<T>(name: string, work: () => Promise<T>): Promise<T> {
    const begin = performance.now()
    const result = await work()
    this.seconds[name] = (performance.now() - begin) / 1000
    return result
  }

  total(): number {
    return (performance.now() - this.begun) / 1000
  }
}
