/** scripts/gpu-check.sh where there is no GPU: the same stages, table and results, on the emulated device. */
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'

const root = path.join(import.meta.dirname, '..')
const TIMEOUT_MS = 600_000

interface Row {
  stage?: string
  outcome?: string
  kernel?: string
  ms?: number
}

function check(env: NodeJS.ProcessEnv) {
  const { status, stdout, stderr } = spawnSync('scripts/gpu-check.sh', ['--quick', '--emulated'], {
    ...{ cwd: root, encoding: 'utf8', timeout: TIMEOUT_MS, env: { ...process.env, ...env } },
  })
  const [, json, text] = /^results: (\S+) (\S+)$/m.exec(stdout) ?? []
  if (!json || !text) return expect.fail(stdout + stderr)
  const rows = readFileSync(path.join(root, json), 'utf8').trim().split('\n')
  return {
    status,
    stdout,
    rows: rows.map((row) => JSON.parse(row) as Row),
    text: readFileSync(path.join(root, text), 'utf8'),
  }
}

const stages = [
  'build',
  'kernels_elementwise',
  'kernels_tensor_core',
  'emulator_ops',
  'ops',
  'engine',
  'timings',
  'torch',
]
const outcomes = (rows: Row[]) =>
  Object.fromEntries(rows.flatMap((row) => (row.stage ? [[row.stage, row.outcome]] : [])))

/** The emulator is built by g++ on Linux; `npm run build:native` builds what the script runs. */
describe.skipIf(process.platform !== 'linux' || !existsSync(path.join(root, 'build/cmake/CMakeCache.txt')))(
  'gpu-check on the emulated device',
  () => {
    it(
      'runs every stage, and makes the table and the rows of it',
      () => {
        const { status, stdout, rows, text } = check({ PYTHON: 'no-such-python' })
        expect(outcomes(rows), stdout).toEqual({
          ...Object.fromEntries(stages.map((stage) => [stage, 'ok'])),
          torch: 'skipped',
        })
        expect(status).toBe(0)
        const timed = rows.filter(({ kernel }) => kernel)
        expect(timed.map(({ kernel }) => kernel)).toEqual(expect.arrayContaining(['copy', 'gemm 8192', 'adamw']))
        for (const { kernel, ms } of timed) {
          expect(ms).toBeGreaterThan(0)
          expect(text).toMatch(new RegExp(`^${kernel!.replace('+', '\\+')} .* ${ms!.toFixed(4)} `, 'm'))
        }
        expect(text).toContain('every stage passed')
      },
      TIMEOUT_MS,
    )

    it(
      'goes on behind a stage that fails, and ends with 1',
      () => {
        const { status, rows } = check({ PYTHON: 'no-such-python', RFT_TIER: 'nonsense' })
        const found = outcomes(rows)
        expect(Object.keys(found)).toEqual(stages)
        expect(found).toMatchObject({ kernels_tensor_core: 'ok', engine: 'failed', torch: 'skipped' })
        expect(status).toBe(1)
      },
      TIMEOUT_MS,
    )

    it('names what it knows', () => {
      const { status, stderr } = spawnSync('scripts/gpu-check.sh', ['--slow'], { cwd: root, encoding: 'utf8' })
      expect({ status, stderr }).toMatchObject({ status: 2, stderr: expect.stringContaining('received --slow') })
    })
  },
)
