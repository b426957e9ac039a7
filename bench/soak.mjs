// node --expose-gc bench/soak.mjs [steps]
//
// Thousands of small steps of one run in one process, with everything on that a long run has: images, a reward in a
// thread, a reference, checkpoints in the background, evaluations, TensorBoard and Prometheus. Memory and open handles are
// looked at every 50 steps, after a collection of garbage. 2,400 steps of 3 seconds would be two hours.
// Writes results/soak.json.
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { configSchema } from '../dist/config/schema.js'
import { openRun } from '../dist/trainer/open.js'
import { trainRun } from '../dist/trainer/train.js'
import { writeTinyRun } from './tiny_run.mjs'

const steps = Number(process.argv[2] ?? 5000)
const EVERY = 50
/** Share of the run in which pools and caches fill. */
const WARM_UP = 0.2

async function prepare(folder) {
  const tiny = await writeTinyRun(folder, { dist: path.join(import.meta.dirname, '..', 'dist'), train: 64 })
  return configSchema.parse({
    ...tiny,
    run: { dir: path.join(folder, 'run') },
    algorithm: { kl: { coef: 0.05 } },
    rewards: [{ name: 'format' }, ...tiny.rewards],
    optimizer: { lr: 1e-5 },
    train: { steps },
    eval: { every: 250 },
    checkpoint: { every: 50 },
    metrics: { tensorboard: true, prometheus: { port: 0 } },
    report: { samples: 100 },
  })
}

function look(step, policy) {
  globalThis.gc()
  const { rss, heapUsed, external, arrayBuffers } = process.memoryUsage()
  const files = process.platform === 'linux' ? readdirSync('/proc/self/fd').length : 0
  const { live, reserved } = policy.memory()
  const handles = process.getActiveResourcesInfo().length
  return { step, rss, heapUsed, external, arrayBuffers, native: live, nativeReserved: reserved, files, handles }
}

/** Change of a straight line through the points from the first to the last, as a share of their mean. */
function drift(points, name) {
  const n = points.length
  const mean = (values) => values.reduce((sum, value) => sum + value, 0) / n
  const [x, y] = [points.map((point) => point.step), points.map((point) => point[name])]
  const [mx, my] = [mean(x), mean(y)]
  const slope = mean(x.map((value, i) => (value - mx) * (y[i] - my))) / mean(x.map((value) => (value - mx) ** 2))
  return my === 0 ? 0 : (slope * (x.at(-1) - x[0])) / my
}

if (!globalThis.gc) throw new Error('soak: expected node --expose-gc')
const folder = mkdtempSync(path.join(os.tmpdir(), 'rft-soak-'))
try {
  const run = await openRun(await prepare(folder))
  const points = []
  const begin = performance.now()
  const sink = {
    step(record) {
      if (record.loss === undefined || record.step % EVERY !== 0) return
      points.push(look(record.step, run.policy))
      if (record.step % 500 === 0) console.log(JSON.stringify(points.at(-1)))
    },
    close() {},
  }
  await trainRun(run, { sinks: [sink] })
  run.dispose()
  const seconds = (performance.now() - begin) / 1000
  const steady = points.filter(({ step }) => step > WARM_UP * steps)
  const names = ['rss', 'heapUsed', 'external', 'arrayBuffers', 'native', 'nativeReserved', 'files', 'handles']
  const drifts = Object.fromEntries(names.map((name) => [name, Number(drift(steady, name).toFixed(5))]))
  const file = path.join(import.meta.dirname, 'results', 'soak.json')
  mkdirSync(path.dirname(file), { recursive: true })
  const kept = points.filter(({ step }) => step % (EVERY * 10) === 0)
  const warmUp = Math.floor(WARM_UP * steps)
  writeFileSync(
    file,
    `${JSON.stringify({ steps, seconds: Math.round(seconds), warmUp, drifts, points: kept }, null, 2)}\n`,
  )
  console.table(drifts)
  console.log(`${steps} steps in ${Math.round(seconds)} s; written to ${file}`)
} finally {
  rmSync(folder, { recursive: true, force: true })
}
