// Measurements as JSON lines: made by `measure`, gathered from child processes by `collect`, shown by `table`.
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'

const ascending = (values) => values.toSorted((a, b) => a - b)
const at = (sorted, share) => sorted[Math.floor(share * (sorted.length - 1))]

const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length

export const median = (values) => at(ascending(values), 0.5)

/** Highest resident memory of this process so far, in MiB. */
export const peakRss = () => process.resourceUsage().maxRSS / 1024

const cpuMs = () => {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}

/**
 * Calls `body(i)` once to warm up, then at least `calls` times and for `seconds`, and prints one line. `cpu_ms` is the
 * mean processor time of all threads (clocks see other threads only now and then, so a median would miss them): what to
 * compare at one thread on a machine that others use too. What the last call returns goes into the line. `before` runs
 * ahead of every call, off the clock.
 */
export async function measure(name, body, { calls = 7, seconds = 2, tokens, before = () => {} } = {}) {
  const filter = process.argv[2] ?? ''
  if (!filter.split('|').some((part) => `${name.kernel} ${name.shape}`.includes(part))) return
  await before(0)
  await body(0)
  const wall = []
  const cpu = []
  const begin = performance.now()
  let extra
  for (let i = 1; wall.length < calls || performance.now() - begin < seconds * 1000; i++) {
    await before(i)
    const [wallBefore, cpuBefore] = [performance.now(), cpuMs()]
    extra = await body(i)
    cpu.push(cpuMs() - cpuBefore)
    wall.push(performance.now() - wallBefore)
  }
  const sorted = ascending(wall)
  const [p20_ms, p50_ms, p80_ms] = [0.2, 0.5, 0.8].map((share) => at(sorted, share))
  const speed = tokens === undefined ? {} : { tokens_per_s: (tokens * 1000) / p50_ms }
  const threads = Number(process.env.RFT_THREADS)
  const row = { ...name, dtype: 'f32', threads, p20_ms, p50_ms, p80_ms, cpu_ms: mean(cpu), ...speed, ...extra }
  console.log(JSON.stringify({ ...row, calls: wall.length, max_rss_mb: peakRss() }))
}

/** Runs a program with a thread count and returns the JSON lines it prints. @throws when it fails. */
export async function collect(command, args, threads) {
  const count = String(threads)
  const env = { ...process.env, RFT_THREADS: count, OMP_NUM_THREADS: count, MKL_NUM_THREADS: count }
  const child = spawn(command, args, { env, stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = new Promise((resolve, reject) => child.once('error', reject).once('close', resolve))
  const rows = []
  for await (const line of createInterface({ input: child.stdout }))
    if (line.startsWith('{')) rows.push(JSON.parse(line))
  const code = await ended
  if (code !== 0) throw new Error(`${[command, ...args].join(' ')}: expected exit code 0 but received ${code}`)
  return rows
}

const show = (value) => {
  if (typeof value !== 'number') return value ?? ''
  return Number.isInteger(value) ? String(value) : Number(value.toPrecision(3)).toString()
}

/** Rows as aligned columns; a column that no row has is left out. */
export function table(rows, columns) {
  const present = columns.filter((column) => rows.some((row) => row[column] !== undefined))
  const cells = [present, ...rows.map((row) => present.map((column) => show(row[column])))]
  const widths = present.map((_, c) => Math.max(...cells.map((row) => row[c].length)))
  const words = new Set(['kernel', 'shape'])
  const pad = (text, c) => (words.has(present[c]) ? text.padEnd(widths[c]) : text.padStart(widths[c]))
  return cells.map((row) => row.map(pad).join('  ').trimEnd()).join('\n')
}
