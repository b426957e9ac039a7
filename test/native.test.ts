/**
 * Runs the C++ tests. Each test/native/<name>_test.cpp becomes build/Release/<name>_test, which prints one line per
 * case: `ok <name>` or `FAIL <name>: <detail>`. Every line is a test here. Those of test/native/simt, which run CUDA
 * kernels in the emulator, are built twice: simt_<name>_test sees every memory access, simt_<name>_test_fast does not.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'

const root = path.join(import.meta.dirname, '..')
const names = (folder: string) =>
  readdirSync(path.join(root, folder))
    .filter((file) => file.endsWith('_test.cpp'))
    .map((file) => path.basename(file, '.cpp'))
/** The emulator is built by g++ on Linux. */
const emulated = process.platform === 'linux' ? names('test/native/simt') : []
const suites = [...names('test/native'), ...emulated.flatMap((name) => [`simt_${name}`, `simt_${name}_fast`])]

const TIMEOUT_MS = 300_000

describe.each(suites)('%s', (suite) => {
  const program = path.join(root, 'build/Release', suite)
  if (!existsSync(program)) {
    it('is built', () => expect.fail(`${program} is missing: run \`npm run build:native\``))
    return
  }
  const { status, signal, stdout, stderr } = spawnSync(program, { encoding: 'utf8', timeout: TIMEOUT_MS })
  const cases = [...stdout.matchAll(/^(ok|FAIL) ([^:\n]+)(?:: (.*))?$/gm)]
  it.each(cases.map(([, verdict, name, detail]) => ({ name, verdict, detail })))('$name', ({ verdict, detail }) => {
    expect(verdict, detail).toBe('ok')
  })
  it('runs to its end', () => {
    expect(cases.length, 'cases printed').toBeGreaterThan(0)
    expect({ status, signal }, stderr || stdout.slice(-2000)).toEqual({ status: 0, signal: null })
  })
})
