// npm run bench -- peers [gemm|attention|token_logp|rl|generate|step|packing [filter]]
//
// Times ours and theirs in turn (A B A B), each in a fresh process with the same number of threads, and prints the
// ratio of the medians. Without a suite: the rows that goals.mjs names, with what is wanted of them, in some minutes.
// Theirs run in $RFT_PYTHON (default python3), which needs torch, and for generate and step transformers, trl, datasets
// and pillow. RFT_BENCH_ROUNDS=2 says how often.
import path from 'node:path'
import { prepare } from '../quickstart.mjs'
import { collect, median } from '../rows.mjs'
import { goals } from './goals.mjs'

const here = import.meta.dirname
const programs = path.join(here, '..', '..', 'build', 'Release')
const program = (name) => [path.join(programs, name)]
const script = (name) => [process.execPath, path.join(here, '..', name)]

/** `packing` has no peer: it compares two rows of our own. */
export const suites = {
  gemm: { ours: program('gemm_bench'), theirs: ['gemm.py'] },
  attention: { ours: program('attention_bench'), theirs: ['attention.py'] },
  token_logp: { ours: program('token_logp_bench'), theirs: ['token_logp.py'] },
  rl: { ours: script('rl.mjs'), theirs: ['rl.py'] },
  generate: { ours: script('generate.mjs'), theirs: ['generate.py'] },
  step: { ours: script('step.mjs'), theirs: ['grpo_step.py', 'grpo_step_lean.py'] },
  packing: { ours: script('step.mjs'), theirs: [] },
}

const own = 'rft'
const naive = 'rft, naive packing'
const key = ({ peer, kernel, shape, threads }) => [peer, kernel, shape, threads].join('|')

/** Rows of one suite: every round's, ours and theirs in turn. */
async function rounds(suite, filter, threads, { python, count, model, data }) {
  const { ours, theirs } = suites[suite]
  const rows = []
  for (let round = 0; round < count; round++) {
    for (const row of await collect(ours[0], [...ours.slice(1), filter], threads))
      rows.push(suite === 'packing' ? asPacking(row) : { peer: own, ...row })
    for (const file of theirs) {
      const args = [path.join(here, file), '--filter', filter, '--model', model, '--data', data]
      rows.push(...(await collect(python, args, threads)))
    }
  }
  return rows
}

const asPacking = ({ kernel, ...row }) => ({
  ...{ peer: kernel.endsWith('naive') ? naive : own, kernel: 'update', ...row },
})

/** Medians over the rounds of what was measured; the rest is the same in all. */
function summarise(rows) {
  const measured = ['p20_ms', 'p50_ms', 'p80_ms', 'cpu_ms', 'tokens_per_s', 'extra_mb', 'max_rss_mb']
  const medians = measured.filter((name) => rows[0][name] !== undefined)
  const { flops, bytes, ...rest } = rows[0]
  const values = medians.map((name) => [name, median(rows.map((row) => row[name]))])
  return { ...rest, rounds: rows.length, ...Object.fromEntries(values) }
}

const ratio = (ofTheirs, ofOurs) => (ofTheirs === undefined || ofOurs === undefined ? undefined : ofTheirs / ofOurs)

/** Every row of a peer beside ours. */
function compare(all) {
  return all
    .filter(({ peer }) => peer !== own)
    .flatMap((theirs) => {
      const ours = all.find((row) => key(row) === key({ ...theirs, peer: own }))
      if (!ours) return []
      const { kernel, shape, threads, peer } = theirs
      return {
        ...{ kernel, shape, threads, peer, rounds: theirs.rounds },
        ...{ ours_ms: ours.p50_ms, theirs_ms: theirs.p50_ms, faster: ratio(theirs.p50_ms, ours.p50_ms) },
        ...{ ours_cpu_ms: ours.cpu_ms, theirs_cpu_ms: theirs.cpu_ms, less_cpu: ratio(theirs.cpu_ms, ours.cpu_ms) },
        ...{ ours_extra_mb: ours.extra_mb, theirs_extra_mb: theirs.extra_mb },
        ...{ ours_rss_mb: ours.max_rss_mb, theirs_rss_mb: theirs.max_rss_mb },
      }
    })
}

/** What is wanted of a comparison, and whether it is so. */
function judge(row) {
  const goal = goals.find(
    ({ kernel, shape, peer = '' }) => kernel === row.kernel && shape === row.shape && row.peer.startsWith(peer),
  )
  if (!goal) return row
  const speed = row.threads === 1 ? row.less_cpu : row.faster
  const { of, share } = goal.memory ?? {}
  const [ours, theirs] =
    of === 'extra_mb' ? [row.ours_extra_mb, row.theirs_extra_mb] : [row.ours_rss_mb, row.theirs_rss_mb]
  const memory = goal.memory ? { memory_share: Math.max(0, ours) / theirs, memory_wanted: share } : {}
  const met = speed >= goal.faster && (!goal.memory || memory.memory_share <= share)
  return { ...row, ratio: speed, wanted: goal.faster, ...memory, met: met ? 'yes' : 'NO' }
}

/** @returns rows of both sides, and the comparisons. */
export async function runPeers(suite, filter, threadCounts) {
  const python = process.env.RFT_PYTHON ?? 'python3'
  const settings = { python, count: Number(process.env.RFT_BENCH_ROUNDS ?? 2), ...(await prepare()) }
  const rows = []
  for (const name of suite ? [suite] : Object.keys(suites)) {
    const named = goals.filter((goal) => goal.suite === name)
    const ofGoals = name === 'packing' ? 'update ' : [...new Set(named.map((g) => `${g.kernel} ${g.shape}`))].join('|')
    for (const threads of threadCounts) rows.push(...(await rounds(name, suite ? filter : ofGoals, threads, settings)))
  }
  const groups = new Map()
  for (const row of rows) groups.set(key(row), [...(groups.get(key(row)) ?? []), row])
  const all = [...groups.values()].map(summarise)
  return { all, compared: compare(all).map(judge) }
}
