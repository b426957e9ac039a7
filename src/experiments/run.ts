/**
 * Runs an experiment: the shared start, then each arm as a run folder of its own through the trainer that `rft train`
 * uses, then the page. What is finished is not run again; what was interrupted goes on.
 */
import { existsSync } from 'node:fs'
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { checkpointPath } from '../checkpoint/retention.ts'
import { loadConfig, resolvedConfigName } from '../config/load.ts'
import type { Config } from '../config/schema.ts'
import { InputError } from '../core/errors.ts'
import { readAlarms } from '../metrics/alarms.ts'
import { readMetrics } from '../metrics/jsonl.ts'
import { native } from '../native/binding.ts'
import { evaluateRun } from '../trainer/evaluate_run.ts'
import { openRun } from '../trainer/open.ts'
import type { Run } from '../trainer/run.ts'
import { trainRun } from '../trainer/train.ts'
import type { Arm, Experiment, ShapesLine } from './define.ts'
import { writePage } from './page.ts'
import { type ArmResult, answersOf, type Outcome, readOutcome, writeOutcome } from './results.ts'
import { armConfig, rowsNames } from './settings.ts'
import { openStart, type StartHooks, type StartSizes } from './start.ts'

export interface ExperimentOptions {
  /** Folder of all experiments; each has a folder in it, and so has what they start from. */
  dir: string
  seed: number
  threads: number
  /** Of each arm; absent: as the experiment says. */
  steps?: number
  /** Of data and warm start; absent: `usualSizes`. */
  sizes?: StartSizes
  /** Run arms again that are finished. */
  fresh?: boolean
}

export interface ExperimentReport {
  /** Path of the page. */
  page: string
  answer: string
  arms: readonly ArmResult[]
}

/** @returns `null` when it was asked to stop; started again it goes on from there. */
export async function runExperiment(
  experiment: Experiment,
  options: ExperimentOptions,
  hooks: StartHooks,
): Promise<ExperimentReport | null> {
  const { seed, threads, steps = experiment.steps, sizes } = options
  native().setThreads(threads)
  const start = await openStart({ dir: join(options.dir, `start-${seed}`), seed, threads, sizes }, hooks)
  if (!start) return null
  const dir = join(options.dir, `${experiment.name}-${seed}`)
  const arms = experiment.arms(steps)
  const finished: ArmResult[] = []
  const modelOf = ({ after }: Arm) => {
    const earlier = finished.find(({ arm }) => arm.name === after)
    return earlier ? checkpointPath(join(dir, earlier.arm.name), earlier.steps) : start.model
  }
  for (const [place, arm] of arms.entries()) {
    const armDir = join(dir, arm.name)
    const config = armConfig(arm, { dir: armDir, data: start.data, model: modelOf(arm), seed, threads, steps })
    const title = `${experiment.name} ${place + 1}/${arms.length}: ${arm.label}`
    const outcome = await finish(arm, config, start.data, { ...hooks, title, fresh: options.fresh ?? false })
    if (!outcome) return null
    finished.push({ ...outcome, arm, place, records: readMetrics(armDir), alarms: readAlarms(armDir) })
  }
  const { page, answer } = await writePage(dir, experiment, { start: start.answers, arms: finished }, { seed, steps })
  return { page, answer, arms: finished }
}

async function finish(
  arm: Arm,
  config: Config,
  data: string,
  hooks: StartHooks & { title: string; fresh: boolean },
): Promise<Outcome | null> {
  const { dir } = config.run
  if (hooks.fresh) await rm(dir, { recursive: true, force: true })
  await requireSameSettings(config)
  const done = await readOutcome(dir)
  hooks.headline(done ? `${hooks.title} (finished before)` : hooks.title)
  if (done) return done
  await mkdir(dir, { recursive: true })
  if (arm.rows) await writeRows(data, dir, rowsNames.train, arm.rows)
  if (arm.heldOut) await writeRows(data, dir, rowsNames.heldOut, arm.heldOut)
  const run = await openRun(config, { resume: true })
  try {
    await trainRun(run, { sinks: [hooks.progress(config)], stop: hooks.stop })
    if (hooks.stop?.aborted) return null
    const outcome = await outcomeOf(run)
    await writeOutcome(dir, outcome)
    return outcome
  } finally {
    run.dispose()
  }
}

/** @throws InputError when the folder holds an arm with other settings, which would be mixed up with this one. */
async function requireSameSettings(config: Config): Promise<void> {
  const file = join(config.run.dir, resolvedConfigName)
  if (!existsSync(file)) return
  const earlier = (await loadConfig(file)).config
  // Where it lives and how many threads work decide nothing.
  const settings = ({ run: _, model: __, data: ___, threads: ____, ...rest }: Config) => rest
  if (!isDeepStrictEqual(settings(earlier), settings(config)))
    throw new InputError(file, 'the settings of this experiment', 'others', 'Use --fresh, or another --dir')
}

async function writeRows(from: string, to: string, name: string, change: NonNullable<Arm['rows']>): Promise<void> {
  const lines = (await readFile(join(from, name), 'utf8')).trimEnd().split('\n')
  const rows = lines.flatMap((line, index) => change(JSON.parse(line) as ShapesLine, index) ?? [])
  await writeFile(join(to, name), rows.map((row) => `${JSON.stringify(row)}\n`).join(''))
}

/** All held-out rows are answered, whatever the evaluations on the way took. */
async function outcomeOf(run: Run): Promise<Outcome> {
  const { config, state } = run
  const { trainer } = config.algorithm
  const { promptsPerStep, groupSize } = config.rollout
  const evaluation = await evaluateRun({ ...run, config: { ...config, eval: { ...config.eval, rows: 0 } } })
  return {
    steps: state.step,
    seconds: readMetrics(config.run.dir).reduce((sum, { step_time = 0 }) => sum + step_time, 0),
    completions: trainer === 'sft' ? 0 : state.step * promptsPerStep * groupSize,
    tokens: state.numTokens,
    answers: answersOf(evaluation),
  }
}
