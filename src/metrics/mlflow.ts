/**
 * Metrics to an MLflow tracking server over its REST API (2.0). The run on the server is the one named in
 * `<run>/mlflow.json`, so a resumed run goes on in it. Records are sent in the background, in order; a server that does
 * not answer costs the run nothing but the records that no longer fit in the queue, and one note.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { InputError } from '../core/errors.ts'
import type { MetricsRecord, MetricsSink } from './types.ts'

export interface MlflowOptions {
  /** E.g. `http://127.0.0.1:5000`. */
  uri: string
  experiment: string
  /** Name of the run on the server. */
  runName: string
  runDir: string
  /** Settings of the run, shown as parameters. */
  parameters: Readonly<Record<string, string>>
  /** Authentication: MLFLOW_TRACKING_TOKEN, or MLFLOW_TRACKING_USERNAME and _PASSWORD. */
  environment?: NodeJS.ProcessEnv
  /** Told when records were lost. */
  warn?: (message: string) => void
}

/** The server takes at most this many metrics and parameters in one call. */
const BATCH = { metrics: 1000, params: 100 }
/** Records waiting for a slow server. */
const QUEUE = 1000
const TIMEOUT_MS = 10_000
const stateFile = 'mlflow.json'

/** @throws InputError when the server cannot be reached or refuses the run. */
export async function mlflowSink(options: MlflowOptions): Promise<MetricsSink> {
  const api = new Api(options)
  const runId = await openServerRun(api, options)
  const queue: MetricsRecord[] = []
  let lost = 0
  let sending: Promise<void> = Promise.resolve()
  const send = async () => {
    const record = queue.shift()
    if (!record) return
    await api.post('runs/log-batch', { run_id: runId, metrics: toMetrics(record) }).catch((error: Error) => {
      if (lost++ === 0) options.warn?.(`metrics.mlflow: ${error.message}. Records are lost; the run goes on`)
    })
  }
  return {
    step(record) {
      if (queue.length >= QUEUE) return void lost++
      queue.push(record)
      sending = sending.then(send)
    },
    async close() {
      await sending
      await api
        .post('runs/update', { run_id: runId, status: 'FINISHED', end_time: Date.now() })
        .catch((error: Error) => options.warn?.(`metrics.mlflow: ${error.message}`))
    },
  }
}

async function openServerRun(api: Api, { experiment, runName, runDir, parameters, uri }: MlflowOptions) {
  const file = join(runDir, stateFile)
  const known = existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as { uri?: string; runId?: string }) : null
  try {
    if (known?.uri === uri && typeof known.runId === 'string') {
      await api.post('runs/update', { run_id: known.runId, status: 'RUNNING' })
      return known.runId
    }
    const experiment_id = await experimentId(api, experiment)
    const created = await api.post('runs/create', { experiment_id, run_name: runName, start_time: Date.now() })
    const runId = (created as { run: { info: { run_id: string } } }).run.info.run_id
    const params = Object.entries(parameters).map(([key, value]) => ({ key, value: value.slice(0, 500) }))
    for (let i = 0; i < params.length; i += BATCH.params)
      await api.post('runs/log-batch', { run_id: runId, params: params.slice(i, i + BATCH.params) })
    mkdirSync(runDir, { recursive: true })
    writeFileSync(file, `${JSON.stringify({ uri, runId })}\n`)
    return runId
  } catch (cause) {
    const remedy = 'Start the server, or set metrics.mlflow to null'
    throw new InputError('metrics.mlflow', `an MLflow server at ${uri}`, (cause as Error).message, remedy, { cause })
  }
}

async function experimentId(api: Api, name: string): Promise<string> {
  const found = await api.get(`experiments/get-by-name?experiment_name=${encodeURIComponent(name)}`)
  if (found) return (found as { experiment: { experiment_id: string } }).experiment.experiment_id
  return ((await api.post('experiments/create', { name })) as { experiment_id: string }).experiment_id
}

function toMetrics({ step, ...values }: MetricsRecord) {
  const timestamp = Date.now()
  // protobuf's JSON has names for what JSON lacks
  const value = (number: number) => (Number.isFinite(number) ? number : String(number))
  const all = Object.entries(values).map(([name, number]) => ({
    key: name.replaceAll(/[^\w./ :-]/g, '_'),
    value: value(number),
    ...{ timestamp, step },
  }))
  return all.slice(0, BATCH.metrics)
}

class Api {
  private readonly base: string
  private readonly headers: Record<string, string>

  constructor({ uri, environment = process.env }: MlflowOptions) {
    this.base = `${uri.replace(/\/+$/, '')}/api/2.0/mlflow/`
    this.headers = { 'content-type': 'application/json', ...authorization(environment) }
  }

  /** `null` when the server has no such thing. */
  async get(path: string): Promise<unknown> {
    const response = await fetch(this.base + path, this.request({}))
    if (response.status === 404) return null
    return this.body(response)
  }

  async post(path: string, body: unknown): Promise<unknown> {
    return this.body(await fetch(this.base + path, this.request({ method: 'POST', body: JSON.stringify(body) })))
  }

  private request(more: RequestInit): RequestInit {
    return { ...more, headers: this.headers, redirect: 'error', signal: AbortSignal.timeout(TIMEOUT_MS) }
  }

  private async body(response: Response): Promise<unknown> {
    const text = await response.text()
    if (!response.ok) throw new Error(`the server answered ${response.status} ${text.slice(0, 200)}`)
    return text === '' ? null : JSON.parse(text)
  }
}

function authorization(environment: NodeJS.ProcessEnv): Record<string, string> {
  const { MLFLOW_TRACKING_TOKEN: token, MLFLOW_TRACKING_USERNAME: user } = environment
  if (token) return { authorization: `Bearer ${token}` }
  const password = environment.MLFLOW_TRACKING_PASSWORD ?? ''
  return user ? { authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}` } : {}
}
