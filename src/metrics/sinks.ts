/** Opens the sinks that a configuration names, under the names of the style it asks for. */
import { join } from 'node:path'
import { openLines } from './lines.ts'
import { mlflowSink } from './mlflow.ts'
import { type MetricsStyle, renamed } from './names.ts'
import { prometheusSink } from './prometheus.ts'
import { tensorboardSink } from './tensorboard.ts'
import type { MetricsRecord, MetricsSink } from './types.ts'

/** The file that EasyR1's and verl's file loggers write; ours when `style` is not `trl`. */
export const experimentLogName = 'experiment_log.jsonl'

export interface SinkSettings {
  style: MetricsStyle
  tensorboard: boolean
  prometheus: { port: number; host: string } | null
  mlflow: { uri: string; experiment: string; runName: string | null } | null
}

export interface SinkPlace {
  runDir: string
  /** Name of the run for people: the last part of its folder. */
  name: string
  /** The step a run continues from. */
  resumedStep?: number
  parameters: Readonly<Record<string, string>>
  warn(message: string): void
}

/** @throws InputError for a port in use or a tracking server that is not there; what was opened before is closed. */
export async function openSinks(settings: SinkSettings, place: SinkPlace): Promise<MetricsSink[]> {
  const { runDir, resumedStep, name, parameters, warn } = place
  const { prometheus, mlflow } = settings
  const opened: MetricsSink[] = []
  try {
    if (settings.style !== 'trl') opened.push(fileSink(join(runDir, experimentLogName), resumedStep))
    if (settings.tensorboard) opened.push(tensorboardSink(runDir, resumedStep))
    if (prometheus) opened.push(await prometheusSink({ ...prometheus, run: name }))
    if (mlflow) opened.push(await mlflowSink({ ...mlflow, runName: mlflow.runName ?? name, runDir, parameters, warn }))
  } catch (error) {
    for (const sink of opened) await sink.close()
    throw error
  }
  return opened.map((sink) => underNames(sink, settings.style))
}

function fileSink(file: string, resumedStep?: number): MetricsSink {
  let lines = openLines<MetricsRecord>(file, resumedStep)
  return {
    step: (record) => lines.write(record),
    rewind(step) {
      lines.close()
      lines = openLines<MetricsRecord>(file, step)
    },
    close: () => lines.close(),
  }
}

function underNames(sink: MetricsSink, style: MetricsStyle): MetricsSink {
  return { ...sink, step: (record) => sink.step(renamed(record, style)) }
}
