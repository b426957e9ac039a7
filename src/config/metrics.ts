/** `metrics`: where the numbers of a run go besides metrics.jsonl and the console. */
import { z } from 'zod'
import { metricsStyles } from '../metrics/names.ts'
import { count, section, text } from './fields.ts'

const prometheus = section(
  {
    port: count(0).max(65535).default(9464).describe('Port of GET /metrics. 0 = any free one.'),
    host: text()
      .default('127.0.0.1')
      .describe('Address to listen on; another than the loopback one opens it to the network.'),
  },
  'An endpoint for Prometheus.',
)

const mlflow = section(
  {
    uri: z.url({ protocol: /^https?$/ }).describe('Tracking server, e.g. http://127.0.0.1:5000.'),
    experiment: text().default('rft').describe('Experiment; created when missing.'),
    runName: text().nullable().default(null).describe('Name of the run there. null = the name of the run folder.'),
  },
  'An MLflow tracking server. MLFLOW_TRACKING_TOKEN, or _USERNAME and _PASSWORD, are read from the environment.',
)

export const metricsSection = section(
  {
    style: z
      .enum(metricsStyles)
      .default('trl')
      .describe('Whose names the sinks below use. verl and easyr1 also write experiment_log.jsonl under theirs.'),
    tensorboard: z.boolean().default(false).describe('Write TensorBoard event files into <run>/tensorboard.'),
    prometheus: prometheus.nullable().default(null).describe('An endpoint for Prometheus. null = none.'),
    mlflow: mlflow.nullable().default(null).describe('An MLflow tracking server. null = none.'),
    completions: count(0)
      .default(0)
      .describe('Write all completions of every so many steps as a parquet table, as TRL does. 0 = none.'),
  },
  'Where the numbers of a run go besides metrics.jsonl and the console.',
).prefault({})
