// The machine a measurement was made on, and the file its results go to.
import { execFileSync } from 'node:child_process'
import { appendFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { native } from '../dist/native/binding.js'

const root = path.join(import.meta.dirname, '..')

function firstLine(command, ...args) {
  try {
    return execFileSync(command, args, { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).split(
      '\n',
    )[0]
  } catch {
    return 'unknown'
  }
}

function system() {
  const release = existsSync('/etc/os-release') ? readFileSync('/etc/os-release', 'utf8') : ''
  return /^PRETTY_NAME="?(.*?)"?$/m.exec(release)?.[1] ?? `${os.type()} ${os.release()}`
}

/** CPU family and model: virtual machines often hide the name. */
function stepping() {
  const info = existsSync('/proc/cpuinfo') ? readFileSync('/proc/cpuinfo', 'utf8') : ''
  return ['cpu family', 'model'].map((key) => new RegExp(`^${key}\\s*: (.*)$`, 'm').exec(info)?.[1] ?? '?').join('/')
}

const cpu = os.cpus()[0]?.model.trim() || 'cpu'
const { isa } = native().info()

/** Name of the results file: CPU, instruction set, cores. */
const name = `${cpu} ${isa} ${os.availableParallelism()} cores`.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-')

export function describeMachine() {
  return {
    kind: 'machine',
    machine: name,
    cpu,
    stepping: stepping(),
    isa,
    cores: os.availableParallelism(),
    memory_gb: Math.round(os.totalmem() / 2 ** 30),
    os: system(),
    compiler: firstLine('c++', '--version'),
    node: process.versions.node,
  }
}

/** Appends rows to `results/<machine>.jsonl`, each with the commit and the time, behind the machine they belong to. */
export function store(rows, more = {}) {
  const file = path.join(import.meta.dirname, 'results', `${name}.jsonl`)
  const changed = firstLine('git', 'status', '--porcelain', '--', 'native', 'src') !== ''
  const commit = firstLine('git', 'rev-parse', '--short', 'HEAD') + (changed ? ' with changes' : '')
  const stamp = { commit, time: new Date().toISOString(), load: os.loadavg()[0] }
  mkdirSync(path.dirname(file), { recursive: true })
  const lines = [{ ...describeMachine(), ...more }, ...rows].map((row) => JSON.stringify({ ...row, ...stamp }))
  appendFileSync(file, `${lines.join('\n')}\n`)
  return path.relative(process.cwd(), file)
}
