// node bench/kill_points.mjs [points] [seed]
//
// One run is ended the hard way again and again: SIGKILL (also in the middle of a save), SIGTERM, a full disk, and
// SIGKILL followed by damage to the newest checkpoint. It is resumed each time, and in the end its metrics and its last
// checkpoint must equal those of a run that was left alone, bit for bit. Writes results/kill_points.json.
//
// The run saves after each step, and a step that is saved begins only when the checkpoint of the one before it is durable.
// So the current step, in computation or in its save, is what an end may cost. `lost` counts steps that are in the metrics
// and done again: 1 = the current step was in its save, 0 = no metrics had been written of it, or it was finished first
// (SIGTERM). A damaged checkpoint costs its own step as well, and is counted apart.
//
// The disk is really full where this may mount a tmpfs (as root on Linux); elsewhere a limit on file sizes stands in.
import { execFileSync, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { writeTinyRun } from './tiny_run.mjs'

const KINDS = ['SIGKILL', 'SIGKILL while saving', 'SIGTERM', 'disk full', 'damaged file']
const STATE_FILES = ['model.safetensors', 'optimizer.safetensors', 'trainer_state.json']
const root = path.join(import.meta.dirname, '..')

/** Numbers in [0, 1) that follow from the seed. */
function random(seed) {
  let i = 0
  return () => createHash('sha256').update(`${seed} ${i++}`).digest().readUInt32LE() / 2 ** 32
}

/**
 * @param options.dist compiled package
 * @param options.points how many times the run is ended
 * @param options.log told each point as it happens
 * @returns every point, and whether the result is that of the run left alone
 */
export async function killPoints({ dist, points, seed = 1, log = () => {} }) {
  const folder = mkdtempSync(path.join(tmpdir(), 'rft-kill-'))
  const disk = mountSmallDisk(path.join(folder, 'disk'))
  try {
    const run = { folder, dist, disk, steps: 3 * points + 6, next: random(seed) }
    await prepare(run)
    const whole = path.join(folder, 'whole')
    if ((await start(run, whole, { limited: false }).ended).code !== 0) throw new Error('the run left alone failed')
    const ended = path.join(disk.dir, 'ended')
    const rows = []
    for (let i = 0; i < points; i++) {
      const row = { point: i + 1, ...(await endOnce(run, ended, KINDS[i % KINDS.length])) }
      rows.push(row)
      log(row)
    }
    const { code, stderr } = await start(run, ended, { limited: false }).ended
    if (code !== 0) throw new Error(`the last start ended with ${code}: ${stderr}`)
    return { points: rows, equal: compare(whole, ended, run.steps) }
  } finally {
    disk.unmount()
    rmSync(folder, { recursive: true, force: true })
  }
}

async function prepare({ folder, dist, steps }) {
  const config = {
    ...(await writeTinyRun(folder, { dist, train: 12 })),
    algorithm: { miniBatches: 2, kl: { coef: 0.05 } },
    optimizer: { lr: 1e-3 },
    train: { steps },
    eval: { atEnd: false },
    checkpoint: { every: 1, keepLast: 3, keepBest: 'reward' },
    report: { samples: 4 },
  }
  writeFileSync(path.join(folder, 'config.yaml'), JSON.stringify(config)) // JSON is YAML
}

/** Starts or resumes the run. `limited` stands in for a full disk. */
function start({ folder, dist }, runDir, { limited }) {
  const main = path.join(dist, 'cli', 'main.js')
  const args = [main, 'train', path.join(folder, 'config.yaml'), '--resume', 'auto']
  args.push('--set', `run.dir=${runDir}`)
  const shell = ['-c', 'trap "" XFSZ; ulimit -f "$0"; exec "$@"', '64', process.execPath, ...args]
  const [command, own] = limited ? ['sh', shell] : [process.execPath, args]
  const child = spawn(command, own, { stdio: ['ignore', 'ignore', 'pipe'] })
  let stderr = ''
  child.stderr.on('data', (chunk) => (stderr += chunk))
  const ended = new Promise((resolve) => {
    child.on('close', (code, signal) => resolve({ code, signal, stderr }))
  })
  return { child, ended }
}

async function endOnce(run, runDir, kind) {
  const before = loggedStep(runDir)
  const limited = kind === 'disk full' && !run.disk.real
  const { child, ended } = start(run, runDir, { limited })
  let over = false
  ended.then(() => (over = true))
  const until = async (condition) => {
    while (!over && !condition()) await new Promise((done) => setTimeout(done, 1))
  }
  await until(() => loggedStep(runDir) >= before + 2)
  await new Promise((done) => setTimeout(done, run.next() * 40))
  let fill = () => {}
  if (kind === 'SIGKILL while saving') await until(() => listDir(path.join(runDir, 'checkpoints')).some(isTemporary))
  if (kind === 'disk full') fill = run.disk.fill()
  else child.kill(kind === 'SIGTERM' ? 'SIGTERM' : 'SIGKILL')
  const { code, signal, stderr } = await ended
  fill()
  const logged = loggedStep(runDir)
  const saved = newest(runDir)
  const damaged = kind === 'damaged file' ? damage(runDir, run.next) : undefined
  const wanted = { SIGTERM: 3, 'disk full': 1 }[kind] ?? null
  if (code !== wanted)
    throw new Error(`${kind}: expected exit code ${wanted} but received ${code} ${signal}: ${stderr}`)
  const row = { kind, code, logged, saved, lost: logged - saved }
  return damaged ? { ...row, damaged, resumes: saved - 1 } : { ...row, resumes: saved }
}

const listDir = (dir) => (existsSync(dir) ? readdirSync(dir) : [])
const isTemporary = (name) => name.startsWith('.tmp-')
const newest = (runDir) =>
  Math.max(0, ...listDir(path.join(runDir, 'checkpoints')).flatMap((name) => /^step-(\d+)$/.exec(name)?.[1] ?? []))

function records(runDir) {
  const file = path.join(runDir, 'metrics.jsonl')
  if (!existsSync(file)) return []
  const lines = readFileSync(file, 'utf8').split('\n').slice(0, -1)
  return lines.flatMap((line) => (line.endsWith('}') ? [JSON.parse(line)] : []))
}

const loggedStep = (runDir) => records(runDir).at(-1)?.step ?? 0

/** Flips a bit, cuts, or removes a file of the newest checkpoint. */
function damage(runDir, next) {
  const dir = path.join(runDir, 'checkpoints', `step-${newest(runDir)}`)
  const names = [...STATE_FILES, 'checksums.json', 'tokenizer.json']
  const name = names[Math.floor(next() * names.length)]
  const file = path.join(dir, name)
  const bytes = readFileSync(file)
  const way = ['a bit flipped', 'cut', 'removed'][Math.floor(next() * 3)]
  if (way === 'removed') rmSync(file)
  else if (way === 'cut') writeFileSync(file, bytes.subarray(0, Math.floor(bytes.length / 2)))
  else {
    bytes[Math.floor(next() * bytes.length)] ^= 1 << Math.floor(next() * 8)
    writeFileSync(file, bytes)
  }
  return `${name} ${way}`
}

/** A folder on a disk of 24 MiB, if one may be had. */
function mountSmallDisk(dir) {
  mkdirSync(dir)
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=24m', 'tmpfs', dir], { stdio: 'ignore' })
  } catch {
    return { dir, real: false, fill: () => () => {}, unmount() {} }
  }
  const filler = path.join(dir, 'filler')
  /** @returns what makes room again. */
  const fill = () => {
    const file = openSync(filler, 'w')
    const zeros = Buffer.alloc(2 ** 16)
    for (let size = zeros.length; size >= 1; )
      try {
        writeSync(file, zeros, 0, size)
      } catch {
        size >>= 1
      }
    closeSync(file)
    return () => rmSync(filler)
  }
  return { dir, real: true, fill, unmount: () => execFileSync('umount', [dir]) }
}

/** Throws at the first difference. */
function compare(whole, ended, steps) {
  const timed = /^timing\/|^step_time$|tokens_per_second|peak_rss/
  const untimed = (runDir) =>
    records(runDir).map((record) => JSON.stringify(Object.entries(record).filter(([name]) => !timed.test(name))))
  const [wanted, found] = [untimed(whole), untimed(ended)]
  if (wanted.length !== steps) throw new Error(`expected ${steps} records but received ${wanted.length}`)
  for (const [i, line] of wanted.entries())
    if (found[i] !== line) throw new Error(`record ${i}: expected ${line} but received ${found[i]}`)
  for (const name of STATE_FILES) {
    const bytes = (dir) => readFileSync(path.join(dir, 'checkpoints', `step-${steps}`, name))
    if (!bytes(whole).equals(bytes(ended))) throw new Error(`${name} differs from that of the run left alone`)
  }
  return true
}

/** For each kind, how many points lost no logged step, the current one, and more; what damage costs is not in it. */
export function summary(rows) {
  return KINDS.map((kind) => {
    const own = rows.filter((row) => row.kind === kind)
    const lost = (enough) => own.filter((row) => enough(row.lost)).length
    const [none, current, more] = [lost((n) => n === 0), lost((n) => n === 1), lost((n) => n > 1)]
    return { kind, points: own.length, none, current, more }
  })
}

if (process.argv[1] === import.meta.filename) {
  const [points = 50, seed = 1] = process.argv.slice(2).map(Number)
  const result = await killPoints({
    dist: path.join(root, 'dist'),
    points,
    seed,
    log: (row) => console.log(JSON.stringify(row)),
  })
  console.table(summary(result.points))
  const file = path.join(import.meta.dirname, 'results', 'kill_points.json')
  mkdirSync(path.dirname(file), { recursive: true })
  const table = { equal: result.equal, kinds: summary(result.points), points: result.points }
  writeFileSync(file, `${JSON.stringify(table, null, 2)}\n`)
  console.log(`metrics and last checkpoint equal the run left alone: ${result.equal}; written to ${file}`)
}
