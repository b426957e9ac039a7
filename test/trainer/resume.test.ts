import { spawn } from 'node:child_process'
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { stringify } from 'yaml'
import { checkpointPath, listCheckpoints } from '../../src/checkpoint/run_checkpoint.ts'
import { readMetrics } from '../../src/metrics/jsonl.ts'
import { compilePackage } from '../harness/compiled.ts'
import { temporaryFolder } from './runs.ts'
import { tinyVlInput, writeTinyVl } from './tiny_vl.ts'

const folder = temporaryFolder()
let compiled: string

beforeAll(async () => {
  compiled = compilePackage()
  await writeTinyVl(folder.dir)
  writeFileSync(
    join(folder.dir, 'vowels.mjs'),
    "export default { name: 'vowels', score: ({ completion }) => completion.split(/[aeiou]/).length }",
  )
})
afterAll(() => {
  folder.remove()
  rmSync(compiled, { recursive: true, force: true })
})

const runDir = (name: string) => join(folder.dir, name)

/** Starts `rft train`; `until` may kill it. @returns the exit code, null when killed. */
function rftTrain(name: string, until?: (kill: () => void) => () => void): Promise<number | null> {
  const input = tinyVlInput(folder.dir, runDir(name), {
    algorithm: { klCoef: 0.05, miniBatches: 3, updatesPerRollout: 2 },
    rewards: [{ file: join(folder.dir, 'vowels.mjs') }],
    train: { steps: 12 },
    eval: { every: 4 },
    checkpoint: { every: 2, keepLast: 2, keepBest: 'eval_reward' },
  })
  const config = join(folder.dir, `${name}.yaml`)
  writeFileSync(config, stringify(input))
  const main = join(compiled, 'dist', 'cli', 'main.js')
  const child = spawn(process.execPath, [main, 'train', config, '--resume'], { stdio: ['ignore', 'ignore', 'inherit'] })
  const stop = until?.(() => child.kill('SIGKILL'))
  return new Promise((resolve) => {
    child.on('exit', (code) => {
      stop?.()
      resolve(code)
    })
  })
}

/** Kills when metrics.jsonl has `lines` lines. */
const atLine = (name: string, lines: number) => (kill: () => void) => {
  const file = join(runDir(name), 'metrics.jsonl')
  const timer = setInterval(() => {
    if (existsSync(file) && readFileSync(file, 'utf8').split('\n').length > lines) kill()
  }, 2)
  return () => clearInterval(timer)
}

const untimed = (name: string) =>
  readMetrics(runDir(name)).map((record) =>
    Object.fromEntries(
      Object.entries(record).filter(([k]) => !/^timing\/|^step_time$|tokens_per_second|peak_rss/.test(k)),
    ),
  )

test('killed three times and resumed, the metrics equal the uninterrupted run bit for bit', async () => {
  expect(await rftTrain('whole')).toBe(0)
  for (const lines of [3, 6, 10]) expect(await rftTrain('killed', atLine('killed', lines))).toBeNull()
  expect(await rftTrain('killed')).toBe(0)
  const whole = untimed('whole')
  expect(whole.filter((r) => r.loss !== undefined)).toHaveLength(12)
  expect(whole.some((r) => (r.grad_norm ?? 0) > 0)).toBe(true)
  expect(untimed('killed')).toEqual(whole)
  expect(await listCheckpoints(runDir('killed'))).toEqual(await listCheckpoints(runDir('whole')))
  for (const file of ['model.safetensors', 'optimizer.safetensors', 'trainer_state.json']) {
    const bytes = (name: string) => readFileSync(join(checkpointPath(runDir(name), 12), file))
    expect([file, bytes('killed').equals(bytes('whole'))]).toEqual([file, true])
  }
}, 120_000)
