// node bench/peers/run.mjs gemm|attention|token_logp|generate|step [filter]
//
// Times ours and theirs in turn (A B A B A B), each in a fresh process with the same number of threads, and prints the
// ratio of the medians. Theirs run in $RFT_PYTHON (default python3), which needs torch, and for generate and step
// transformers, trl, datasets and pillow. `npm run bench -- ops` compiles what ours need.
import os from 'node:os'
import path from 'node:path'
import { store } from '../machine.mjs'
import { prepare } from '../quickstart.mjs'
import { collect, median, table } from '../rows.mjs'

const here = import.meta.dirname
const programs = path.join(here, '..', '..', 'build', 'Release')
const program = (name) => [path.join(programs, name)]
const script = (name) => [process.execPath, path.join(here, '..', name)]

const suites = {
  gemm: { ours: program('gemm_bench'), theirs: ['gemm.py'] },
  attention: { ours: program('attention_bench'), theirs: ['attention.py'] },
  token_logp: { ours: program('token_logp_bench'), theirs: ['token_logp.py'] },
  generate: { ours: script('generate.mjs'), theirs: ['generate.py'] },
  step: { ours: script('step.mjs'), theirs: ['grpo_step.py', 'grpo_step_lean.py'] },
}

const [suite, filter = ''] = process.argv.slice(2)
if (!Object.hasOwn(suites, suite)) {
  console.error(`peers: expected one of ${Object.keys(suites).join(', ')} but received ${suite}`)
  process.exit(1)
}
const { ours, theirs } = suites[suite]
const rounds = Number(process.env.RFT_BENCH_ROUNDS ?? 3)
const threadCounts = process.env.RFT_THREADS?.split(',').map(Number) ?? [...new Set([1, os.availableParallelism()])]
const python = process.env.RFT_PYTHON ?? 'python3'
const { model, data } = await prepare()

const samples = new Map()
function add(row) {
  const key = [row.peer, row.kernel, row.shape, row.threads].join('|')
  samples.set(key, [...(samples.get(key) ?? []), row])
}

for (const threads of threadCounts)
  for (let round = 0; round < rounds; round++) {
    for (const row of await collect(ours[0], [...ours.slice(1), filter], threads)) add({ peer: 'rft', ...row })
    for (const file of theirs) {
      const args = [path.join(here, file), '--filter', filter, '--model', model, '--data', data]
      for (const row of await collect(python, args, threads)) add(row)
    }
  }

/** Medians over the rounds of what was measured; the rest is the same in all. */
function summarise(rows) {
  const measured = ['p20_ms', 'p50_ms', 'p80_ms', 'cpu_ms', 'tokens_per_s', 'extra_mb', 'max_rss_mb']
  const medians = measured.filter((name) => rows[0][name] !== undefined)
  const { flops, bytes, ...rest } = rows[0]
  return { ...rest, rounds, ...Object.fromEntries(medians.map((name) => [name, median(rows.map((row) => row[name]))])) }
}

const all = [...samples.values()].map(summarise)
const ratio = (ofTheirs, ofOurs) => (ofTheirs === undefined || ofOurs === undefined ? undefined : ofTheirs / ofOurs)
const compared = all
  .filter(({ peer }) => peer !== 'rft')
  .flatMap((peer) => {
    const own = all.find((r) => r.peer === 'rft' && ['kernel', 'shape', 'threads'].every((key) => r[key] === peer[key]))
    if (!own) return []
    const { kernel, shape, threads } = peer
    return {
      ...{ kernel, shape, threads, peer: peer.peer, rounds },
      ...{ ours_ms: own.p50_ms, theirs_ms: peer.p50_ms, faster: ratio(peer.p50_ms, own.p50_ms) },
      ...{ ours_cpu_ms: own.cpu_ms, theirs_cpu_ms: peer.cpu_ms, less_cpu: ratio(peer.cpu_ms, own.cpu_ms) },
      ...{ ours_extra_mb: own.extra_mb, theirs_extra_mb: peer.extra_mb },
      ...{ ours_rss_mb: own.max_rss_mb, theirs_rss_mb: peer.max_rss_mb },
    }
  })

const times = ['ours_ms', 'theirs_ms', 'faster', 'ours_cpu_ms', 'theirs_cpu_ms', 'less_cpu']
const memory = ['ours_extra_mb', 'theirs_extra_mb', 'ours_rss_mb', 'theirs_rss_mb']
console.log(table(compared, ['kernel', 'shape', 'threads', 'peer', ...times, ...memory]))
const stored = [...all.map((row) => ({ kind: 'peers', ...row })), ...compared.map((row) => ({ kind: 'ratio', ...row }))]
console.log(`\n${stored.length} rows appended to ${store(stored)}`)
