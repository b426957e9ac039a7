/**
 * The training loop: step, log, evaluate, save, until the steps are done or somebody asks to stop. One class, because all
 * of it reads and moves one state; what each part does is in files of its own (saver, step_guard, rollback, alarm_log).
 */

import type { AlarmAction } from '../alarms/index.ts'
import { learningRate } from '../algorithms/index.ts'
import { checkpointPath } from '../checkpoint/retention.ts'
import type { TrainerState } from '../checkpoint/trainer_state.ts'
import { composeStages } from '../config/methods.ts'
import type { Config } from '../config/schema.ts'
import type { Group, Row } from '../core/types.ts'
import type { ComposedStages, Stage } from '../methods/index.ts'
import type { MetricsSink } from '../metrics/types.ts'
import { AlarmLog } from './alarm_log.ts'
import { Controllers } from './controllers.ts'
import type { Evaluation } from './evaluate.ts'
import { evaluateRun } from './evaluate_run.ts'
import { stageOf } from './method_stages.ts'
import { isOnPolicy } from './on_policy.ts'
import { type OpenRunOptions, openRun } from './open.ts'
import { ReplayBuffer } from './replay.ts'
import { rollBack } from './rollback.ts'
import { takeAccepted } from './rows.ts'
import type { Run } from './run.ts'
import { RunLog } from './run_log.ts'
import { Saver } from './saver.ts'
import { sftStep } from './sft.ts'
import { rlStep } from './step.ts'
import { AbandonedStep, StallError, StepGuard } from './step_guard.ts'
import type { Metrics } from './step_metrics.ts'
import type { StepReport } from './update.ts'

export interface TrainOptions {
  /** Besides metrics.jsonl. They are closed at the end. */
  sinks?: readonly MetricsSink[]
  /**
   * Aborting it ends the run with a checkpoint: after the step in progress, or without it when that takes longer than
   * `checkpoint.graceSeconds` and has not begun its update.
   */
  stop?: AbortSignal
  /** Aborting it ends the run at once: the promise is rejected with its reason. */
  signal?: AbortSignal
}

export interface TrainResult {
  state: TrainerState
  /** The newest checkpoint. */
  checkpoint: string
  /** `stop` was aborted before the last step. */
  stopped: boolean
  /** Of the first and last evaluation of this call; `null` when there was none. */
  firstEvaluation: Evaluation | null
  lastEvaluation: Evaluation | null
  /** Wall time of this call, and of its training steps alone. */
  seconds: number
  stepSeconds: number
  /** Tokens of this call's steps (prompts once per group). */
  tokens: number
}

/**
 * A whole run: opens what the configuration names, trains, evaluates, saves, and closes everything.
 *
 * @throws InputError as `openRun` and `trainRun` do.
 * @example
 * const { config } = await loadConfig('config.yaml')
 * const { lastEvaluation } = await train(config, { resume: true })
 */
export async function train(config: Config, options: TrainOptions & OpenRunOptions = {}): Promise<TrainResult> {
  const run = await openRun(config, options)
  try {
    return await trainRun(run, options)
  } finally {
    run.dispose()
  }
}

/**
 * Trains from where the run stands to `train.steps`.
 *
 * @throws InputError when a row cannot become a prompt; StallError when a call shows no progress for
 *   `train.stallSeconds`; Error when more than `train.maxSkippedSteps` steps in a row had a loss or gradient that was not
 *   finite and going back to a checkpoint did not help, and when a checkpoint cannot be written.
 */
export async function trainRun(run: Run, options: TrainOptions = {}): Promise<TrainResult> {
  const log = await RunLog.open(run.config, run.state.step, options.sinks ?? [])
  const loop = new Loop(run, log, options)
  try {
    return await loop.run()
  } finally {
    await log.close()
  }
}

class Loop {
  private readonly begun = performance.now()
  private readonly saver: Saver
  private readonly alarms: AlarmLog
  /** What alarms of the last record call for. */
  private called: AlarmAction | null = null
  private halted = false
  private readonly stages: ComposedStages
  private kept: ReplayBuffer | null = null
  private savedStep = -1
  private first: Evaluation | null = null
  private last: Evaluation | null = null
  private stepSeconds = 0
  private tokens = 0
  private controllers: Controllers

  constructor(
    private readonly work: Run,
    private readonly log: RunLog,
    private readonly options: TrainOptions,
  ) {
    const { run, checkpoint } = work.config
    this.stages = composeStages(work.config.methods)
    this.alarms = new AlarmLog(work.config, work.rewards, work.state.step, (message) => log.note(message))
    this.saver = new Saver(run.dir, {
      ...checkpoint,
      // A run that saves each step may lose the current one, and no other.
      async: checkpoint.async && checkpoint.every !== 1,
      saved: (path) => this.log.note(`checkpoint ${path}`),
    })
    this.controllers = new Controllers(work.config, work.state.controllers)
  }

  async run(): Promise<TrainResult> {
    try {
      return await this.train()
    } finally {
      // Nobody else may write into the folder once this has returned, however it ends.
      await this.saver.settle().catch(() => undefined)
      this.alarms.close()
    }
  }

  private async train(): Promise<TrainResult> {
    const { config } = this.work
    const { steps } = config.train
    for (const notice of this.work.notices) this.log.note(notice)
    this.describe()
    if (this.work.state.step === 0 && config.eval.atStart) await this.evaluate()
    while (this.work.state.step < steps && !this.options.stop?.aborted && !this.halted) {
      this.options.signal?.throwIfAborted()
      this.saver.check()
      if (!(await this.guardedStep())) break
      const { step, skippedInARow } = this.work.state
      const improved = due(step, config.eval.every) && step < steps && (await this.evaluate())
      // A skipped step changed nothing, and its checkpoint would push out one from before the trouble.
      const wanted = improved || (due(step, config.checkpoint.every) && step < steps && skippedInARow === 0)
      if (wanted) await this.save()
      await this.heed()
      if (due(step, config.report.every)) await this.log.report()
    }
    const stopped = this.work.state.step < steps
    if (!stopped && this.work.heldOut.length > 0 && config.eval.atEnd) await this.evaluate()
    await this.save()
    await this.saver.settle()
    await this.log.report()
    return this.result(stopped)
  }

  private describe(): void {
    const { config, reference } = this.work
    const { trainer, rolloutCorrection } = config.algorithm
    if (trainer === 'sft') return
    const old = isOnPolicy(config) ? 'skipped, on-policy' : "skipped, the sampler's log-probs serve as oldLogp"
    if (rolloutCorrection.level !== null) this.log.note('phase score: old log-probs, for the rollout correction')
    else this.log.note(`phase score: ${reference ? `reference only (old log-probs ${old})` : old}`)
  }

  /** @returns whether the step was finished: a request to stop may have abandoned it. */
  private async guardedStep(): Promise<boolean> {
    const { config, state } = this.work
    const guard = new StepGuard(config.train.stallSeconds)
    let grace: NodeJS.Timeout | undefined
    const onStop = () => {
      grace = setTimeout(() => guard.abandon(), config.checkpoint.graceSeconds * 1000)
    }
    this.options.stop?.addEventListener('abort', onStop)
    try {
      await guard.run(() => this.step(guard), this.options.signal)
      return true
    } catch (error) {
      if (error instanceof AbandonedStep && !guard.updating) {
        this.log.note(`step ${state.step + 1} was given up; it starts again when the run is resumed`)
        return false
      }
      if (error instanceof StallError && !guard.updating) await this.save()
      throw error
    } finally {
      clearTimeout(grace)
      this.options.stop?.removeEventListener('abort', onStop)
    }
  }

  private async step(guard: StepGuard): Promise<void> {
    const { config, training, state } = this.work
    const begin = performance.now()
    this.work.policy.beginStep?.(state.step)
    const isSft = config.algorithm.trainer === 'sft'
    const count = isSft ? config.train.batchSize : config.rollout.promptsPerStep
    const lr = learningRate(state.step, {
      kind: config.optimizer.schedule,
      base: config.optimizer.lr,
      warmupSteps: config.optimizer.warmupSteps,
      totalSteps: config.train.steps,
      minRatio: config.optimizer.minLrRatio,
    })
    const { rows, taken } = this.takeRows(count)
    const refilled = { rows: 0 }
    const report = await (isSft ? this.imitate(rows, lr, guard) : this.reinforce(rows, lr, guard, { refilled, taken }))
    const seconds = (performance.now() - begin) / 1000
    this.stepSeconds += seconds
    this.tokens += report.tokens
    this.advance(taken + refilled.rows, report)
    const metrics = {
      ...report.metrics,
      num_tokens: this.work.state.numTokens,
      epoch: this.work.state.rowsSeen / training.count,
      step_time: seconds,
      tokens_per_second: report.tokens / seconds,
      peak_rss_mb: peakRssMb(),
    }
    this.record(metrics, report.groups)
    await this.log.sample(this.work.state.step, report)
    await this.log.completions(this.work.state.step, report)
    await this.checkSkips()
  }

  private takeRows(count: number): { rows: Row[]; taken: number } {
    const { training, state } = this.work
    if (!this.stages.choosesRows) return { rows: training.take(state.rowsSeen, count), taken: count }
    const stage = this.stage()
    return takeAccepted(training, state.rowsSeen, count, (row) => this.stages.accepts(row, stage))
  }

  /** Where the run stands, for methods. */
  private stage(): Stage {
    const { config, state, training } = this.work
    const { maxNewTokens, groupSize } = config.rollout
    const place = { step: state.step, steps: config.train.steps, epoch: state.rowsSeen / training.count }
    return stageOf({ ...place, maxNewTokens, groupSize }, config.seed)
  }

  private async imitate(rows: readonly Row[], lr: number, guard: StepGuard): Promise<StepReport> {
    const examples = await Promise.all(rows.map((row) => this.work.toExample(row)))
    const { merge } = this.work.sampling
    return sftStep({ ...guard.watch(this.work), merge, signal: guard.signal }, examples, lr)
  }

  /** @param place `taken` rows were passed for `rows`; `refilled` counts what dynamic sampling takes on top. */
  private async reinforce(
    rows: readonly Row[],
    lr: number,
    guard: StepGuard,
    { refilled, taken }: { refilled: { rows: number }; taken: number },
  ): Promise<StepReport> {
    const { state, training } = this.work
    const toPrompts = (of: readonly Row[]) => Promise.all(of.map((row) => this.work.toPrompt(row)))
    const refill = async (count: number) => {
      const further = training.take(state.rowsSeen + taken + refilled.rows, count)
      refilled.rows += further.length
      return toPrompts(further)
    }
    this.controllers = new Controllers(this.work.config, state.controllers)
    const watched = guard.watch(this.work)
    const context = {
      ...watched,
      ...this.limited(),
      critic: watched.critic ?? null,
      ...{ controllers: this.controllers, replayBuffer: await this.replayBuffer(), refill, signal: guard.signal },
    }
    const report = await rlStep(context, await toPrompts(rows), state.step, lr)
    await this.followReference(state.step + 1)
    return report
  }

  /** Settings and stages of this step: methods may set its limits. */
  private limited() {
    const { config, sampling, toPrompt, encode } = this.work
    if (config.methods.length === 0) return { methods: null }
    const rollout = { ...config.rollout, ...this.stages.limits(this.stage()) }
    const stage = { ...this.stage(), maxNewTokens: rollout.maxNewTokens, groupSize: rollout.groupSize }
    const methods = { stages: this.stages, stage, render: toPrompt, encode }
    return { config: { ...config, rollout }, sampling: { ...sampling, maxNewTokens: rollout.maxNewTokens }, methods }
  }

  /** As the checkpoint left it, when the run is resumed. */
  private async replayBuffer(): Promise<ReplayBuffer> {
    const { state, training, toPrompt } = this.work
    this.kept ??= await ReplayBuffer.load(state.replay ?? [], async (id) => {
      const row = training.find(id)
      return row && toPrompt(row)
    })
    return this.kept
  }

  /** A reference that is not frozen takes on the policy every so many steps. */
  private async followReference(step: number): Promise<void> {
    const { reference, config, policy } = this.work
    const { kl } = config.algorithm
    if (!reference?.mixFrom || kl.reference === 'frozen' || !due(step, kl.syncEvery)) return
    await reference.mixFrom(policy, kl.reference === 'periodic' ? 1 : kl.syncAlpha)
  }

  private advance(rows: number, report: StepReport): void {
    const { state, optimizer } = this.work
    this.work.state = {
      ...state,
      step: state.step + 1,
      optimizerSteps: optimizer.steps,
      rowsSeen: state.rowsSeen + rows,
      numTokens: state.numTokens + report.repeatedTokens,
      controllers: this.controllers.state,
      ...(this.stages.replay && this.kept ? { replay: this.kept.save() } : {}),
      skippedInARow: report.updates > 0 ? 0 : state.skippedInARow + (report.skippedUpdates > 0 ? 1 : 0),
      skipped: state.skipped + (report.updates === 0 && report.skippedUpdates > 0 ? 1 : 0),
    }
  }

  private record(metrics: Metrics, groups: readonly Group[]): void {
    const { step } = this.work.state
    this.log.metrics(step, metrics)
    this.called = this.alarms.metrics(step, metrics, groups) ?? this.called
  }

  /** Does what raised alarms call for. */
  private async heed(): Promise<void> {
    const action = this.called
    this.called = null
    if (action === 'checkpoint' || action === 'stop') await this.save()
    if (action === 'stop') this.halted = true
    if (action === 'rollback' && this.work.state.rollbacks < this.work.config.train.maxRollbacks)
      await this.goBack('an alarm was raised')
  }

  /** Back to the last checkpoint from before the trouble, on with other rows. @returns whether there was one. */
  private async goBack(reason: string): Promise<boolean> {
    const { step } = this.work.state
    await this.saver.settle()
    const back = await rollBack(this.work, (message) => this.log.note(message))
    if (back === null) return false
    this.log.rewind(back.step)
    this.alarms.rewind(back.step)
    this.log.note(`step ${step}: ${reason}; back to step ${back.step}, on with other rows`)
    this.work.state = back
    this.kept = null
    this.savedStep = back.step
    return true
  }

  /** Too many skipped steps in a row: back to a checkpoint, or the end of the run. */
  private async checkSkips(): Promise<void> {
    const { skippedInARow, step, rollbacks } = this.work.state
    const { maxSkippedSteps, maxRollbacks } = this.work.config.train
    if (skippedInARow <= maxSkippedSteps) return
    const back = rollbacks < maxRollbacks && (await this.goBack(`${skippedInARow} skipped steps in a row`))
    if (!back)
      throw new Error(
        `step ${step}: expected at most ${maxSkippedSteps} skipped steps in a row but received ${skippedInARow}` +
          `${rollbacks > 0 ? `, after going back ${rollbacks} times` : ''}. ` +
          'Loss or gradient is not finite: lower optimizer.lr, and look at the rewards',
      )
  }

  /** @returns whether the metric that `checkpoint.keepBest` names improved. */
  private async evaluate(): Promise<boolean> {
    const { config, state } = this.work
    const evaluation = await evaluateRun(this.work, { signal: this.options.signal })
    this.first ??= evaluation
    this.last = evaluation
    this.record(evaluation.metrics, evaluation.groups)
    await this.log.evaluation(state.step, evaluation)
    return (config.checkpoint.keepBest?.startsWith('eval_') ?? false) && this.isBest()
  }

  private isBest(): boolean {
    const { state, config } = this.work
    const metric = config.checkpoint.keepBest
    const value = metric === null ? undefined : this.log.last(metric)
    if (metric === null || value === undefined || !Number.isFinite(value)) return false
    const previous = state.best?.metric === metric ? state.best.value : null
    return previous === null || (metric.endsWith('loss') ? value < previous : value > previous)
  }

  /** Saves the present step, once. */
  private async save(): Promise<void> {
    const { config, state, policy, optimizer, source } = this.work
    if (this.savedStep === state.step) return
    const metric = config.checkpoint.keepBest
    if (metric !== null && this.isBest())
      this.work.state = { ...state, best: { metric, value: this.log.last(metric)!, step: state.step } }
    const dtype = config.checkpoint.dtype === 'bf16' ? ('BF16' as const) : ('F32' as const)
    const { companions } = this.work
    const content = { model: policy, optimizer, source, dtype, state: this.work.state, companions }
    await this.saver.save(content)
    this.savedStep = state.step
  }

  private result(stopped: boolean): TrainResult {
    const { state, config } = this.work
    return {
      state,
      stopped,
      checkpoint: checkpointPath(config.run.dir, state.step),
      firstEvaluation: this.first,
      lastEvaluation: this.last,
      seconds: (performance.now() - this.begun) / 1000,
      stepSeconds: this.stepSeconds,
      tokens: this.tokens,
    }
  }
}

const due = (step: number, every: number) => every > 0 && step % every === 0

/** Highest resident memory of this process so far, in MiB. */
export const peakRssMb = () => process.resourceUsage().maxRSS / 1024
