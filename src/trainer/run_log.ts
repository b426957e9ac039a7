/** Where a run reports to: its metrics and samples files, its report, and the sinks the caller added. */

import { basename, resolve } from 'node:path'
import type { Config } from '../config/schema.ts'
import type { Group, Message, Row } from '../core/types.ts'
import { writeCompletions } from '../metrics/completions.ts'
import { jsonlSink } from '../metrics/jsonl.ts'
import { type SamplesWriter, samplesWriter } from '../metrics/samples.ts'
import { openSinks } from '../metrics/sinks.ts'
import type { MetricsRecord, MetricsSink } from '../metrics/types.ts'
import { writeReport } from '../report/write.ts'
import { readImageBytes } from '../vision/index.ts'
import type { Evaluation } from './evaluate.ts'
import type { Metrics } from './step_metrics.ts'
import type { StepReport } from './update.ts'

export class RunLog {
  private file: MetricsSink
  private samples: SamplesWriter
  private readonly latest = new Map<string, number>()

  private readonly config: Config
  private readonly added: MetricsSink[]

  /**
   * @param step the step a resumed run continues from: later records of the files are cut.
   * @throws InputError when a sink of the configuration cannot be opened.
   */
  static async open(config: Config, step: number, sinks: readonly MetricsSink[]): Promise<RunLog> {
    const log = new RunLog(config, step, sinks)
    try {
      const { dir } = config.run
      const place = { runDir: dir, name: basename(resolve(dir)), parameters: parametersOf(config) }
      const resumedStep = step > 0 ? step : undefined
      const warn = (message: string) => log.note(message)
      log.added.push(...(await openSinks(config.metrics, { ...place, resumedStep, warn })))
      return log
    } catch (error) {
      await log.close()
      throw error
    }
  }

  private constructor(config: Config, step: number, sinks: readonly MetricsSink[]) {
    const resumed = step > 0 ? step : undefined
    this.config = config
    this.added = [...sinks]
    this.file = jsonlSink(config.run.dir, resumed)
    this.samples = samplesWriter(config.run.dir, resumed)
  }

  /** The run goes on from this earlier step: what was recorded after it is void. */
  rewind(step: number): void {
    void this.file.close()
    this.samples.close()
    this.file = jsonlSink(this.config.run.dir, step)
    this.samples = samplesWriter(this.config.run.dir, step)
    for (const sink of this.added) sink.rewind?.(step)
  }

  metrics(step: number, values: Metrics): void {
    const record: MetricsRecord = { step, ...values }
    for (const [name, value] of Object.entries(values)) this.latest.set(name, value)
    for (const sink of this.sinks) sink.step(record)
  }

  private get sinks(): readonly MetricsSink[] {
    return [this.file, ...this.added]
  }

  note(message: string): void {
    for (const sink of this.sinks) sink.note?.(message)
  }

  /** The last value of a metric in this process. */
  last(name: string): number | undefined {
    return this.latest.get(name)
  }

  /** Keeps one group of every few steps, so that about `report.samples` are kept over the run. */
  async sample(step: number, { groups, advantages }: StepReport): Promise<void> {
    const { samples } = this.config.report
    const every = Math.max(1, Math.floor(this.config.train.steps / Math.max(1, samples)))
    if (samples === 0 || groups.length === 0 || step % every !== 0) return
    const index = step % groups.length
    const begin = groups.slice(0, index).reduce((sum, g) => sum + g.completions.length, 0)
    await this.write(step, groups[index]!, (i) => advantages[begin + i]!)
  }

  /** Keeps the first answers of an evaluation. */
  async evaluation(step: number, { groups }: Evaluation): Promise<void> {
    for (const group of groups.slice(0, Math.min(4, this.config.report.samples)))
      await this.write(step, group, () => null)
  }

  report(): Promise<string> {
    return writeReport(this.config.run.dir)
  }

  /** The table of a step's completions, when it is due. */
  async completions(step: number, { groups, advantages }: StepReport): Promise<void> {
    const { completions: every } = this.config.metrics
    if (every === 0 || step % every !== 0 || groups.length === 0) return
    let i = 0
    const rows = groups.flatMap(({ prompt, completions, rewardParts }) =>
      completions.map(({ text }, k) => ({
        prompt: problemOf(prompt.row),
        completion: text,
        rewards: Object.fromEntries(Object.entries(rewardParts).map(([name, all]) => [name, all[k] ?? null])),
        advantage: advantages[i++]!,
      })),
    )
    await writeCompletions(this.config.run.dir, step, rows)
  }

  async close(): Promise<void> {
    this.samples.close()
    for (const sink of this.sinks) await sink.close()
  }

  private async write(step: number, group: Group, advantageOf: (completion: number) => number | null): Promise<void> {
    const { row } = group.prompt
    const completions = group.completions.map(({ text, finish }, i) => ({
      text,
      rewards: Object.fromEntries(Object.entries(group.rewardParts).map(([name, all]) => [name, all[i] ?? null])),
      total: group.rewards[i] ?? null,
      advantage: advantageOf(i),
      finish,
    }))
    const images = await Promise.all(row.images.map((image) => readImageBytes(image, row.id)))
    const problem = problemOf(row)
    this.samples.write({ step, id: row.id, problem, answer: row.answer, completions }, images)
  }
}

const problemOf = (row: Row) => row.messages.map(messageText).join('\n')

/** The settings as flat text, e.g. `optimizer.lr` -> `0.000001`. */
function parametersOf(config: Config): Record<string, string> {
  const out: Record<string, string> = {}
  const walk = (value: unknown, path: string) => {
    if (typeof value === 'object' && value !== null && !Array.isArray(value))
      for (const [key, inner] of Object.entries(value)) walk(inner, path === '' ? key : `${path}.${key}`)
    else out[path] = typeof value === 'string' ? value : JSON.stringify(value)
  }
  walk(config, '')
  return out
}

function messageText({ content }: Message): string {
  if (typeof content === 'string') return content
  return content.map((part) => (part.type === 'text' ? part.text : '')).join('')
}
