/** The trainer as programs use it: rows and rewards as values, steps as they come, and one handle to close. */

import { type Config, type ConfigInput, configSchema } from '../config/schema.ts'
import { InputError } from '../core/errors.ts'
import type { Row } from '../core/types.ts'
import { readRow } from '../data/index.ts'
import type { MetricsRecord, MetricsSink } from '../metrics/types.ts'
import { defineReward, isRewardName, type Reward, type RewardInput, type Score } from '../rewards/define.ts'
import type { RewardSpec } from '../rollout/reward_runner.ts'
import type { Evaluation } from './evaluate.ts'
import { evaluateRun } from './evaluate_run.ts'
import { openRun } from './open.ts'
import type { Run } from './run.ts'
import { type TrainOptions, type TrainResult, trainRun } from './train.ts'

/** A row as a data file would have it, or one that was read. */
export type RowInput = Row | Readonly<Record<string, unknown>>

/** A reward: a function, one made by `defineReward`, or one by name or file with its weight. */
export type RewardChoice =
  | ((input: RewardInput) => Score)
  | Reward
  // Functions have a name too: this keeps those that return something else out.
  | (RewardSpec & { readonly apply?: never })

export interface TrainerSettings {
  /** Model folder. */
  model: string
  /** Run folder: metrics, checkpoints, samples, report. */
  dir: string
  /** Files, or rows; relative image paths of rows start from the working directory. */
  train: readonly string[] | readonly RowInput[]
  eval?: readonly string[] | readonly RowInput[]
  /** Default: `accuracy`. A function's own name is its name in metrics. */
  rewards?: readonly RewardChoice[]
  steps: number
  /** Everything else, as in a configuration file; `model.path`, `run.dir`, `data.train` and `train.steps` are above. */
  config?: {
    [Section in keyof ConfigInput]?: ConfigInput[Section] extends infer S | undefined ? Partial<S> : never
  }
  /** Continue from the newest sound checkpoint of `dir`; a folder without one starts. */
  resume?: boolean
}

/**
 * Group-relative policy optimisation of one model.
 *
 * @example
 * await using trainer = await GrpoTrainer.open({
 *   model: 'models/Qwen2.5-VL-3B-Instruct',
 *   dir: 'runs/short',
 *   train: [{ problem: '<image>How many?', answer: '3', images: ['a.png'] }],
 *   rewards: [{ name: 'accuracy' }, function short({ completionTokens }) { return completionTokens <= 40 ? 0.2 : 0 }],
 *   steps: 100,
 *   config: { optimizer: { lr: 1e-6 } },
 * })
 * for await (const { step, reward } of trainer.steps()) console.log(step, reward)
 */
export class GrpoTrainer implements Disposable, AsyncDisposable {
  readonly config: Config
  private readonly run: Run
  private busy: Promise<unknown> | null = null

  private constructor(config: Config, run: Run) {
    this.config = config
    this.run = run
  }

  /** @throws InputError for anything that is wrong with settings, model, rows, rewards, or the folder. */
  static async open(settings: TrainerSettings): Promise<GrpoTrainer> {
    const config = configOf(settings)
    const rows = rowsOf(settings, config)
    const rewards = settings.rewards?.map(toSpec)
    return new GrpoTrainer(config, await openRun(config, { rows, rewards, resume: settings.resume ?? false }))
  }

  /** Steps finished so far. */
  get step(): number {
    return this.run.state.step
  }

  /** Trains to the last step, or until `stop` is aborted. */
  train(options: TrainOptions = {}): Promise<TrainResult> {
    return this.alone(() => trainRun(this.run, options))
  }

  /**
   * The records of steps and evaluations as they come. Leaving the loop early finishes the step in progress and saves.
   */
  async *steps(options: TrainOptions = {}): AsyncGenerator<MetricsRecord, TrainResult> {
    const records: MetricsRecord[] = []
    let wake = () => {}
    const sink: MetricsSink = {
      step(record) {
        records.push(record)
        wake()
      },
      close() {},
    }
    const stop = new AbortController()
    const stopToo = () => stop.abort()
    options.stop?.addEventListener('abort', stopToo)
    if (options.stop?.aborted) stop.abort()
    let over = false
    const result = this.train({ ...options, stop: stop.signal, sinks: [...(options.sinks ?? []), sink] }).finally(
      () => {
        over = true
        wake()
      },
    )
    result.catch(() => undefined) // thrown below, by the await
    try {
      while (!over || records.length > 0) {
        const record = records.shift()
        if (record) yield record
        else
          await new Promise<void>((resolve) => {
            wake = resolve
            if (over || records.length > 0) resolve()
          })
      }
      return await result
    } finally {
      stop.abort()
      options.stop?.removeEventListener('abort', stopToo)
      await result.catch(() => undefined)
    }
  }

  /** Greedy answers to the held-out rows. */
  evaluate(options: { blind?: boolean; signal?: AbortSignal } = {}): Promise<Evaluation> {
    if (this.run.heldOut.length === 0) throw new InputError('eval', 'held-out rows', 'none', 'Give some to open()')
    return this.alone(() => evaluateRun(this.run, options))
  }

  /** Frees the model at once; calls that are running reject. */
  dispose(): void {
    this.run.dispose()
  }

  [Symbol.dispose](): void {
    this.dispose()
  }

  /** Waits for what is running, then frees the model. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.busy?.catch(() => undefined)
    this.dispose()
  }

  private alone<T>(body: () => Promise<T>): Promise<T> {
    if (this.busy) throw new Error('GrpoTrainer: expected one call at a time but received a second. Await the first')
    const call = body().finally(() => {
      this.busy = null
    })
    this.busy = call
    return call
  }
}

function configOf({ model, dir, train, eval: heldOut, steps, config = {} }: TrainerSettings): Config {
  const files = (rows: readonly unknown[]) => rows.filter((row) => typeof row === 'string')
  const named = files(train)
  const section = (name: keyof ConfigInput) => (config[name] ?? {}) as Record<string, unknown>
  const input = {
    ...config,
    model: { ...section('model'), path: model },
    run: { ...section('run'), dir },
    data: { ...section('data'), train: named.length > 0 ? named : ['rows in memory'], eval: files(heldOut ?? []) },
    train: { ...section('train'), steps },
  }
  const parsed = configSchema.safeParse(withoutHeldOutChecks(input, heldOut))
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  throw new InputError(`config ${issue!.path.join('.')}`, 'a valid setting', issue!.message)
}

/** Held-out rows in memory count as held-out files where the schema wants some. */
function withoutHeldOutChecks<T extends { data: { eval: unknown[] } }>(input: T, heldOut: TrainerSettings['eval']): T {
  const inMemory = heldOut !== undefined && heldOut.length > 0 && input.data.eval.length === 0
  return inMemory ? { ...input, data: { ...input.data, eval: ['rows in memory'] } } : input
}

function rowsOf({ train, eval: heldOut }: TrainerSettings, { data }: Config) {
  const isFiles = (rows: readonly unknown[]) => rows.some((row) => typeof row === 'string')
  const read = (rows: readonly RowInput[], name: string) =>
    rows.map((row, i) => (isRow(row) ? row : readRow(row, `${name}[${i}]`, process.cwd(), data)))
  if (isFiles(train)) return undefined
  if (heldOut && isFiles(heldOut)) throw new InputError('eval', 'rows in memory, as train has them', 'files')
  return {
    train: read(train as readonly RowInput[], 'train'),
    eval: heldOut ? read(heldOut as readonly RowInput[], 'eval') : [],
  }
}

const isRow = (row: RowInput): row is Row =>
  Array.isArray(row.messages) && Array.isArray(row.images) && 'columns' in row

function toSpec(choice: RewardChoice, index: number): RewardSpec {
  if (typeof choice === 'function') {
    const name = isRewardName(choice.name) && choice.name !== 'score' ? choice.name : `reward_${index + 1}`
    return { reward: defineReward({ name, score: choice }) }
  }
  return 'score' in choice ? { reward: choice } : choice
}
