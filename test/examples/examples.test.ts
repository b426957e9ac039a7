/** Every example runs, as a user would start it, on a tiny model. */
import { execFile } from 'node:child_process'
import { cpSync, existsSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { compilePackage } from '../harness/compiled.ts'
import { temporaryFolder } from '../trainer/runs.ts'
import { writeTinyVl } from '../trainer/tiny_vl.ts'

const examples = join(import.meta.dirname, '..', '..', 'examples')
const folder = temporaryFolder()
let compiled: string
beforeAll(async () => {
  compiled = compilePackage()
  // Inside the package, so that `import 'rft'` finds it.
  cpSync(examples, join(compiled, 'examples'), { recursive: true })
  await writeTinyVl(folder.dir)
})
afterAll(() => {
  folder.remove()
  rmSync(compiled, { recursive: true, force: true })
})

async function run(name: string, ...more: string[]): Promise<string[]> {
  const args = [
    join(compiled, 'examples', name),
    join(folder.dir, 'model'),
    join(folder.dir, 'data', 'train.jsonl'),
    ...more,
  ]
  const { stdout, stderr } = await promisify(execFile)(process.execPath, args, { timeout: 100_000 })
  expect(stderr).toBe('')
  return stdout.trim().split('\n')
}

describe('examples', () => {
  it('train.mjs', async () => {
    const dir = join(folder.dir, 'run-train')
    const lines = await run('train.mjs', dir, '3')
    expect(lines).toHaveLength(4)
    expect(lines[2]).toMatch(/^step 3 {2}reward \d\.\d{3} {2}gradient \d+\.\d{3}$/)
    expect(lines[3]).toMatch(/^accuracy [\d.]+ -> [\d.]+$/)
    expect(existsSync(join(dir, 'checkpoints', 'step-3', 'model.safetensors'))).toBe(true)
  })

  it('inspect.mjs', async () => {
    const lines = await run('inspect.mjs')
    expect(lines).toHaveLength(5)
    expect(lines[4]).toBe('sampler and trainer agree bit for bit: true')
  })

  it('worker.mjs', async () => {
    const lines = await run('worker.mjs', join(folder.dir, 'run-worker'), '3')
    expect(lines).toHaveLength(4)
    expect(lines[2]).toMatch(/^step 3 {2}reward/)
    expect(lines[3]).toBe('the main thread was free: true')
  })

  it('each has its test', () => {
    expect(readdirSync(examples).filter((name) => name.endsWith('.mjs'))).toEqual([
      'inspect.mjs',
      'train.mjs',
      'worker.mjs',
    ])
  })
})
