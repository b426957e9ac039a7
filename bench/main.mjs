// npm run bench -- ops|rl|generate|step [filter]      npm run bench -- peers [suite [filter]]
//
// Runs a suite at one thread and at all cores, each in a fresh process, prints a table and appends the rows to
// results/<machine>.jsonl. RFT_THREADS=1,4 names other thread counts. `peers` compares with torch, transformers and trl:
// peers/run.mjs.
import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { store } from './machine.mjs'
import { suites as peerSuites, runPeers } from './peers/run.mjs'
import { prepare } from './quickstart.mjs'
import { collect, table } from './rows.mjs'

const root = path.join(import.meta.dirname, '..')
const programs = path.join(root, 'build', 'Release')
const [suite, ...args] = process.argv.slice(2)
const [filter = ''] = args
const threadCounts = process.env.RFT_THREADS?.split(',').map(Number) ?? [...new Set([1, os.availableParallelism()])]

/** Compiles bench/native in the folder of the addon's build. */
function build() {
  const folder = path.join(root, 'build', 'cmake')
  const options = { cwd: root, stdio: 'inherit' }
  if (!existsSync(path.join(folder, 'CMakeCache.txt')))
    execFileSync(process.execPath, ['native/tools/build.cjs', '--addon-only'], options)
  execFileSync('cmake', [folder, '-DRFT_BUILD_BENCH=ON'], options)
  const names = readdirSync(path.join(root, 'bench', 'native')).filter((name) => name.endsWith('_bench.cpp'))
  const targets = names.map((name) => path.basename(name, '.cpp'))
  execFileSync('cmake', ['--build', folder, '--target', ...targets], options)
  return targets.filter((name) => name !== 'machine_bench')
}

/** The time a kernel cannot beat: its arithmetic at the peak, or its bytes from the memory that holds so many. */
function withFloor(row, { peak_gflops: peak, read_gbs: read }) {
  const apart = ([mb]) => Math.abs(Math.log(row.bytes / (mb * 2 ** 20)))
  const [, speed] = read.reduce((best, size) => (apart(size) < apart(best) ? size : best))
  const floor = Math.max(row.flops / peak, row.bytes / speed) * 1e-6
  const { flops, bytes, gflops, ...rest } = row
  const arithmetic = flops > 0 ? { gflops: flops / row.p50_ms / 1e6 } : {}
  const memory = bytes > 0 ? { gbs: bytes / row.p50_ms / 1e6 } : {}
  return { ...rest, ...arithmetic, ...memory, of_floor: floor / row.p50_ms }
}

const timing = ['kernel', 'shape', 'threads', 'dtype', 'isa', 'p20_ms', 'p50_ms', 'p80_ms', 'cpu_ms']
const speed = ['gflops', 'gbs', 'of_floor', 'error', 'tokens_per_s', 'tokens', 'tokens_saved']
const phases = ['prompt_ms', 'rollout_ms', 'reward_ms', 'pack_ms', 'update_ms']
const tagged = (kind, rows) => rows.map((row) => ({ kind, ...row }))
const own = (rows, more) => ({
  ...{ shown: rows, stored: tagged(suite, rows), more },
  columns: [...timing, ...speed, ...phases, 'peak_mb', 'max_rss_mb'],
})

async function ops() {
  const rows = []
  const floors = []
  const targets = build()
  for (const threads of threadCounts) {
    const [floor] = await collect(path.join(programs, 'machine_bench'), [], threads)
    floors.push({ threads, ...floor })
    for (const name of targets) {
      const found = await collect(path.join(programs, name), [filter], threads)
      rows.push(...found.map((row) => withFloor(row, floor)))
    }
  }
  return own(rows, { floors })
}

async function script(name) {
  await prepare()
  const rows = []
  for (const threads of threadCounts) {
    const file = path.join(import.meta.dirname, `${name}.mjs`)
    rows.push(...(await collect(process.execPath, [file, filter], threads)))
  }
  return own(rows)
}

async function peers() {
  const [name, part = ''] = args
  if (name !== undefined) expectOneOf('bench peers', Object.keys(peerSuites), name)
  build()
  const { all, compared } = await runPeers(name, part, threadCounts)
  const wanted = ['kernel', 'shape', 'threads', 'peer', 'ratio', 'wanted', 'memory_share', 'memory_wanted', 'met']
  const times = ['ours_ms', 'theirs_ms', 'faster', 'ours_cpu_ms', 'theirs_cpu_ms', 'less_cpu']
  const memory = ['ours_extra_mb', 'theirs_extra_mb', 'ours_rss_mb', 'theirs_rss_mb']
  const stored = [...tagged('peers', all), ...tagged('ratio', compared)]
  return { shown: compared, stored, columns: [...wanted, ...times, ...memory] }
}

function expectOneOf(where, names, name) {
  if (names.includes(name)) return
  console.error(`${where}: expected one of ${names.join(', ')} but received ${name}`)
  process.exit(1)
}

const suites = { ops, rl: () => script('rl'), generate: () => script('generate'), step: () => script('step'), peers }
expectOneOf('bench', Object.keys(suites), suite)
const { shown, stored, more, columns } = await suites[suite]()
console.log(table(shown, columns))
for (const [word, mark] of [
  ['met', 'yes'],
  ['missed', 'NO'],
]) {
  const count = shown.filter(({ met }) => met === mark).length
  if (count > 0) console.log(`${count} ${word}`)
}
console.log(`\n${stored.length} rows appended to ${store(stored, more)}`)
