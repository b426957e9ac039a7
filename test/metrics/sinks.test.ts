import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parquetReadObjects } from 'hyparquet'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { writeCompletions } from '../../src/metrics/completions.ts'
import { crc32c, maskedCrc32c } from '../../src/metrics/crc32c.ts'
import { readLines } from '../../src/metrics/lines.ts'
import { mlflowSink } from '../../src/metrics/mlflow.ts'
import { renamed } from '../../src/metrics/names.ts'
import { exposition, prometheusSink } from '../../src/metrics/prometheus.ts'
import { openSinks } from '../../src/metrics/sinks.ts'
import { tensorboardSink } from '../../src/metrics/tensorboard.ts'

let dir: string
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'rft-sinks-'))
})
afterEach(() => rmSync(dir, { recursive: true }))

describe('TensorBoard', () => {
  const eventFiles = () => readdirSync(join(dir, 'tensorboard')).sort()
  const records = (name: string) => {
    const file = readFileSync(join(dir, 'tensorboard', name))
    const out: Buffer[] = []
    for (let at = 0; at < file.length; ) {
      const length = Number(file.readBigUInt64LE(at))
      expect(file.readUInt32LE(at + 8)).toBe(maskedCrc32c(file.subarray(at, at + 8)))
      const data = file.subarray(at + 12, at + 12 + length)
      expect(file.readUInt32LE(at + 12 + length)).toBe(maskedCrc32c(data))
      out.push(data)
      at += length + 16
    }
    return out
  }

  it('has the checksum of RFC 3720', () => {
    expect(crc32c(Buffer.from('123456789')).toString(16)).toBe('e3069283')
    expect(crc32c(new Uint8Array(32)).toString(16)).toBe('8a9136aa')
    expect(crc32c(new Uint8Array(32).fill(0xff)).toString(16)).toBe('62a8ab43')
  })

  it('writes the bytes that tensorboard 2.21 wrote for the same events', () => {
    const sink = tensorboardSink(dir, undefined, () => 1700000000.5)
    sink.step({ step: 300, reward: 0.25, eval_accuracy: 0.5 })
    void sink.close()
    const [version, summary] = records(eventFiles()[0]!)
    // tensorboard.compat.proto.event_pb2.Event(...).SerializeToString().hex()
    expect(version!.toString('hex')).toBe('0900002040fc54d9411a0d627261696e2e4576656e743a32')
    expect(summary!.toString('hex')).toBe(
      '0900002040fc54d94110ac022a2b0a130a0c747261696e2f726577617264150000803e0a140a0d6576616c2f6163637572616379150000003f',
    )
  })

  it('begins a file of a resumed run with a session log, and marks where it went back to', () => {
    const sink = tensorboardSink(dir, 7, () => 1)
    sink.rewind!(3)
    void sink.close()
    const [, resumed, back] = records(eventFiles()[0]!)
    expect(resumed!.toString('hex')).toBe('09000000000000f03f10083a020801')
    expect(back!.toString('hex')).toBe('09000000000000f03f10043a020801')
  })
})

describe('names', () => {
  const record = { step: 2, reward: 0.5, loss: 1, 'rewards/format/mean': 0.25, peak_rss_mb: 2048, entropy: 3, other: 4 }

  it('are those of TRL as they are', () => expect(renamed(record, 'trl')).toEqual(record))

  it('of verl', () =>
    expect(renamed(record, 'verl')).toEqual({
      ...{ step: 2, 'training/global_step': 2, 'critic/score/mean': 0.5, 'critic/rewards/mean': 0.5 },
      ...{
        'actor/pg_loss': 1,
        'rewards/format/mean': 0.25,
        'perf/cpu_memory_used_gb': 2,
        'actor/entropy': 3,
        other: 4,
      },
    }))

  it('of EasyR1', () => {
    expect(renamed(record, 'easyr1')).toMatchObject({ 'reward/format': 0.25, 'actor/entropy_loss': 3 })
    expect(renamed({ step: 2, 'eval_rewards/format/mean': 1 }, 'easyr1')).toMatchObject({ 'val/format_reward': 1 })
  })
})

describe('Prometheus', () => {
  it('serves the latest values on the loopback address and nothing else', async () => {
    const sink = await prometheusSink({ port: 0, host: '127.0.0.1', run: 'a "b"' })
    try {
      sink.step({ step: 1, reward: 0.5 })
      sink.step({ step: 2, reward: 0.75, 'rewards/format/mean': 1, 'timing/rollout': 2, loss: Number.NaN })
      const answer = await fetch(`http://127.0.0.1:${sink.port}/metrics`)
      expect(await answer.text()).toBe(`# TYPE rft_step gauge
rft_step{run="a \\"b\\""} 2
# TYPE rft_reward gauge
rft_reward{run="a \\"b\\""} 0.75
# TYPE rft_reward_mean gauge
rft_reward_mean{run="a \\"b\\"",reward="format"} 1
# TYPE rft_phase_seconds gauge
rft_phase_seconds{run="a \\"b\\"",phase="rollout"} 2
# TYPE rft_loss gauge
rft_loss{run="a \\"b\\""} NaN
`)
      expect((await fetch(`http://127.0.0.1:${sink.port}/`)).status).toBe(404)
      expect((await fetch(`http://127.0.0.1:${sink.port}/metrics`, { method: 'POST' })).status).toBe(404)
      const taken = prometheusSink({ port: sink.port, host: '127.0.0.1', run: 'b' })
      await expect(taken).rejects.toThrow(/metrics\.prometheus: expected 127\.0\.0\.1:\d+ to listen on .*EADDRINUSE/)
    } finally {
      void sink.close()
    }
  })

  it('writes infinities as Prometheus reads them', () =>
    expect(exposition(new Map([['a/b', -Infinity]]), 'r')).toBe('# TYPE rft_a_b gauge\nrft_a_b{run="r"} -Inf\n'))
})

describe('MLflow', () => {
  let server: Server
  let uri: string
  let calls: { path: string; body: unknown; authorization: string | undefined }[]
  let broken: boolean
  beforeEach(async () => {
    calls = []
    broken = false
    server = createServer((request, response) => {
      let text = ''
      request.on('data', (chunk) => (text += chunk))
      request.on('end', () => {
        const path = request.url!.replace('/api/2.0/mlflow/', '')
        const { authorization } = request.headers
        calls.push({ path, body: text === '' ? null : JSON.parse(text), authorization })
        if (broken) return void response.writeHead(500).end('out of order')
        if (path.startsWith('experiments/get-by-name')) return void response.writeHead(404).end('{}')
        if (path === 'experiments/create') return void response.end('{"experiment_id":"7"}')
        if (path === 'runs/create') return void response.end('{"run":{"info":{"run_id":"r1"}}}')
        response.end('{}')
      })
    })
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
    uri = `http://127.0.0.1:${(server.address() as { port: number }).port}`
  })
  afterEach(() => new Promise((done) => server.close(done)))

  const open = (more: object = {}) =>
    mlflowSink({
      uri,
      experiment: 'rft',
      runName: 'a',
      runDir: dir,
      parameters: { seed: '1' },
      environment: {},
      ...more,
    })

  it('makes experiment and run, sends the settings and every record in order, and ends the run', async () => {
    const sink = await open({ environment: { MLFLOW_TRACKING_USERNAME: 'u', MLFLOW_TRACKING_PASSWORD: 'p' } })
    sink.step({ step: 1, reward: 0.5, loss: Number.NaN })
    sink.step({ step: 2, reward: 0.75 })
    await sink.close()
    expect(calls.map(({ path }) => path.split('?')[0])).toEqual([
      ...['experiments/get-by-name', 'experiments/create', 'runs/create', 'runs/log-batch'],
      ...['runs/log-batch', 'runs/log-batch', 'runs/update'],
    ])
    expect(calls[2]!.body).toMatchObject({ experiment_id: '7', run_name: 'a' })
    expect(calls[3]!.body).toEqual({ run_id: 'r1', params: [{ key: 'seed', value: '1' }] })
    const timestamp = expect.any(Number)
    expect(calls[4]!.body).toEqual({
      run_id: 'r1',
      metrics: [
        { key: 'reward', value: 0.5, step: 1, timestamp },
        { key: 'loss', value: 'NaN', step: 1, timestamp },
      ],
    })
    expect(calls[6]!.body).toMatchObject({ run_id: 'r1', status: 'FINISHED' })
    expect(calls[0]!.authorization).toBe('Basic dTpw')
  })

  it('goes on in the same run when the run is resumed', async () => {
    await (await open()).close()
    calls = []
    await (await open()).close()
    expect(calls.map(({ path }) => path)).toEqual(['runs/update', 'runs/update'])
  })

  it('a server that breaks costs records and one note; one that is not there is an error at the start', async () => {
    const notes: string[] = []
    const sink = await open({ warn: (note: string) => notes.push(note) })
    broken = true
    sink.step({ step: 1, reward: 1 })
    sink.step({ step: 2, reward: 1 })
    await sink.close()
    expect(notes[0]).toBe('metrics.mlflow: the server answered 500 out of order. Records are lost; the run goes on')
    expect(notes).toHaveLength(2) // and that the run could not be ended
    await expect(open({ uri: 'http://127.0.0.1:9', runDir: join(dir, 'b') })).rejects.toThrow(
      /metrics\.mlflow: expected an MLflow server at http:\/\/127\.0\.0\.1:9/,
    )
  })
})

describe('completions', () => {
  it('are a parquet table with the columns of TRL', async () => {
    const rows = [
      {
        prompt: 'How many?',
        completion: '<answer>2</answer> é',
        rewards: { accuracy: 1, format: null },
        advantage: 0.5,
      },
      { prompt: 'How many?', completion: 'bad \ud800 half', rewards: { accuracy: 0, format: 0.25 }, advantage: -0.5 },
    ]
    const file = await writeCompletions(dir, 40, rows)
    expect(file).toBe(join(dir, 'completions', 'completions_00040.parquet'))
    const bytes = Uint8Array.from(readFileSync(file))
    const read = await parquetReadObjects({ file: bytes.buffer })
    expect(read).toEqual([
      {
        step: '40',
        prompt: 'How many?',
        completion: '<answer>2</answer> é',
        accuracy: 1,
        format: null,
        advantage: 0.5,
      },
      { step: '40', prompt: 'How many?', completion: 'bad \ufffd half', accuracy: 0, format: 0.25, advantage: -0.5 },
    ])
    expect(readdirSync(join(dir, 'completions'))).toHaveLength(1)
  })
})

it('a style other than trl also writes experiment_log.jsonl under its names', async () => {
  const settings = { style: 'easyr1' as const, tensorboard: false, prometheus: null, mlflow: null }
  const sinks = await openSinks(settings, { runDir: dir, name: 'a', parameters: {}, warn: () => {} })
  for (const sink of sinks) {
    sink.step({ step: 1, reward: 0.5 })
    sink.step({ step: 2, reward: 0.5 })
    sink.rewind!(1)
    await sink.close()
  }
  expect(readLines(join(dir, 'experiment_log.jsonl'))).toEqual([
    { step: 1, 'training/global_step': 1, 'critic/score/mean': 0.5, 'critic/rewards/mean': 0.5 },
  ])
})
