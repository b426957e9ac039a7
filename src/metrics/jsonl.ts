/** `metrics.jsonl`: every record of a run, one JSON object per line, in step order. */
import { join } from 'node:path'
import { openLines, readLines, type Stepped, toNumber } from './lines.ts'
import type { MetricsRecord, MetricsSink } from './types.ts'

export const metricsFileName = 'metrics.jsonl'

/**
 * @param resumedStep the step a run continues from: records of later steps are cut. Without it the file starts empty.
 * @example const sink = jsonlSink('runs/a'); sink.step({ step: 1, loss: 0.3 }); sink.close()
 */
export function jsonlSink(runDir: string, resumedStep?: number): MetricsSink {
  const lines = openLines<MetricsRecord>(join(runDir, metricsFileName), resumedStep)
  return { step: (record) => lines.write(record), close: () => lines.close() }
}

/** The records of a run folder; a torn last line is left out, a missing file has no records. */
export function readMetrics(runDir: string): MetricsRecord[] {
  return readLines<Stepped>(join(runDir, metricsFileName)).map((stored) => {
    const numbers = Object.entries(stored).map(([name, value]) => [name, toNumber(value)] as const)
    return Object.fromEntries(numbers.filter(([, value]) => value !== undefined)) as MetricsRecord
  })
}
