/** What the page shows of one run, read from the files of its folder alone, again and again while it grows. */
import { readFile } from 'node:fs/promises'
import { basename, join, resolve } from 'node:path'
import { parse } from 'yaml'
import { resolvedConfigName } from '../config/load.ts'
import { type AlarmRecord, alarmsFileName } from '../metrics/alarms.ts'
import { metricsFileName } from '../metrics/jsonl.ts'
import { type SampleRecord, samplesFileName } from '../metrics/samples.ts'
import { drawGroup, verdict } from '../report/samples.ts'
import { Tail } from './tail.ts'

/** Columns of new metrics records: one value per step, `null` where a record lacks the metric. */
export interface MetricsColumns {
  steps: number[]
  /** "NaN", "Infinity" and "-Infinity" stand for themselves, as in the file. */
  values: Record<string, (number | string | null)[]>
}

/** A line of the list of samples. */
export interface SampleEntry {
  step: number
  id: string
  problem: string
  verdicts: ('good' | 'bad' | 'even')[]
  /** From an evaluation: greedy, without advantages. */
  evaluation: boolean
}

/** What a poll of one run found. */
export interface RunUpdate {
  id: string
  facts?: RunFacts
  /** `modified`: when the file was last written, in milliseconds. */
  metrics?: MetricsColumns & { reset: boolean; modified: number }
  samples?: { reset: boolean; entries: SampleEntry[] }
  alarms?: { reset: boolean; raised: AlarmRecord[] }
}

export interface RunFacts {
  name: string
  dir: string
  /** Length that the run was given; `null` when unknown. */
  steps: number | null
  trainer: string | null
  model: string | null
  seed: number | null
}

type StoredRecord = { step: number } & Record<string, number | string>

export class RunFiles {
  private readonly metrics: Tail<StoredRecord>
  private readonly samplesTail: Tail<SampleRecord>
  private readonly alarms: Tail<AlarmRecord>
  private samples: SampleRecord[] = []
  private configText: string | null = null
  /** Everything so far, for pages that open later. */
  private readonly all: { records: StoredRecord[]; raised: AlarmRecord[] } = { records: [], raised: [] }

  constructor(
    readonly id: string,
    readonly dir: string,
  ) {
    this.metrics = new Tail(join(dir, metricsFileName))
    this.samplesTail = new Tail(join(dir, samplesFileName))
    this.alarms = new Tail(join(dir, alarmsFileName))
  }

  /** What is new since the last poll; `null` for nothing. */
  async poll(): Promise<RunUpdate | null> {
    const update: RunUpdate = { id: this.id }
    const configText = await readFile(join(this.dir, resolvedConfigName), 'utf8').catch(() => null)
    if (configText !== this.configText || !this.known) update.facts = this.facts(configText)
    const metrics = await this.metrics.poll()
    if (metrics) {
      if (metrics.reset) this.all.records = []
      this.all.records.push(...metrics.lines)
      update.metrics = { reset: metrics.reset, modified: this.metrics.modified, ...toColumns(metrics.lines) }
    }
    const samples = await this.samplesTail.poll()
    if (samples) {
      if (samples.reset) this.samples = []
      this.samples.push(...samples.lines)
      update.samples = { reset: samples.reset, entries: samples.lines.map(toEntry) }
    }
    const alarms = await this.alarms.poll()
    if (alarms) {
      if (alarms.reset) this.all.raised = []
      this.all.raised.push(...alarms.lines)
      update.alarms = { reset: alarms.reset, raised: alarms.lines }
    }
    return Object.keys(update).length > 1 ? update : null
  }

  /** Everything that polls have found so far. */
  snapshot(): RunUpdate {
    return {
      id: this.id,
      facts: this.facts(this.configText),
      metrics: { reset: true, modified: this.metrics.modified, ...toColumns(this.all.records) },
      samples: { reset: true, entries: this.samples.map(toEntry) },
      alarms: { reset: true, raised: this.all.raised },
    }
  }

  /** A sample as HTML; `null` when there is no such one. */
  async sample(index: number): Promise<string | null> {
    const sample = this.samples[index]
    return sample ? drawGroup(this.dir, sample, { side: 448, completions: 64 }) : null
  }

  private known = false

  private facts(configText: string | null): RunFacts {
    this.known = true
    this.configText = configText
    const config = parseConfig(configText)
    const at = (section: string, key: string) => {
      const node = config[section]
      return typeof node === 'object' && node !== null ? (node as Record<string, unknown>)[key] : undefined
    }
    const text = (value: unknown) => (typeof value === 'string' ? value : null)
    const number = (value: unknown) => (typeof value === 'number' ? value : null)
    return {
      ...{ name: basename(resolve(this.dir)), dir: this.dir, seed: number(config.seed) },
      steps: number(at('train', 'steps')),
      trainer: text(at('algorithm', 'trainer')),
      model: text(at('model', 'path')),
    }
  }
}

function parseConfig(text: string | null): Record<string, unknown> {
  try {
    const value: unknown = text === null ? null : parse(text)
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
  } catch {
    return {} // half written
  }
}

function toColumns(records: readonly StoredRecord[]): MetricsColumns {
  const columns = new Map<string, (number | string | null)[]>()
  for (const [i, record] of records.entries())
    for (const [name, value] of Object.entries(record)) {
      if (name === 'step' || (typeof value !== 'number' && typeof value !== 'string')) continue
      let column = columns.get(name)
      if (!column) {
        column = new Array<null>(records.length).fill(null)
        columns.set(name, column)
      }
      column[i] = typeof value === 'number' ? Number(value.toPrecision(6)) : value
    }
  return { steps: records.map(({ step }) => step), values: Object.fromEntries(columns) }
}

function toEntry({ step, id, problem, completions }: SampleRecord): SampleEntry {
  return {
    ...{ step, id, problem: problem.replaceAll(/\s+/g, ' ').slice(0, 120) },
    verdicts: completions.map(verdict),
    evaluation: completions.every(({ advantage }) => advantage === null),
  }
}
