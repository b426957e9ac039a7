/**
 * Runs the C++ tests. Each test/native/<name>_test.cpp becomes build/Release/<name>_test, which prints one line per
 * case: `ok <name>` or `FAIL <name>: <detail>`. Every line is a test here. Those of test/native/simt, which run CUDA
 * kernels in the emulator, are built twice: simt_<name>_test sees every memory access, simt_<name>_test_fast does not.
 * Those of test/native/cuda run ops and engine on an emulated CUDA device, the engine also with the kernels of sm_90a.
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
const onDevice = process.platform === 'linux' ? names('test/native/cuda').map((name) => `cuda_${name}`) : []
const programs = [...names('test/native'), ...emulated.flatMap((name) => [`simt_${name}`, `simt_${name}_fast`])]
const suites: { suite: string; program: string; env: NodeJS.ProcessEnv }[] = [
  ...[...programs, ...onDevice].map((program) => ({ suite: program, program, env: {} })),
  ...onDevice
    .filter((program) => program === 'cuda_engine_test')
    .map((program) => ({ suite: `${program}, RFT_TIER=sm90`, program, env: { RFT_TIER: 'sm90' } })),
]

const TIMEOUT_MS = 300_000

describe.each(suites)('$suite', ({ program: name, env }) => {
  const program = path.join(root, 'build/Release', name)
  if (!existsSync(program)) {
    it('is built', () => expect.fail(`${program} is missing: run \`npm run build:native\``))
    return
  }
  const { status, signal, stdout, stderr } = spawnSync(program, {
    encoding: 'utf8',
    timeout: TIMEOUT_MS,
    env: { ...process.env, ...env },
  })
  const cases = [...stdout.matchAll(/^(ok|FAIL) ([^:\n]+)(?:: (.*))?$/gm)]
  it.each(cases.map(([, verdict, name, detail]) => ({ name, verdict, detail })))('$name', ({ verdict, detail }) => {
    expect(verdict, detail).toBe('ok')
  })
  it('runs to its end', () => {
    expect(cases.length, 'cases printed').toBeGreaterThan(0)
    expect({ status, signal }, stderr || stdout.slice(-2000)).toEqual({ status: 0, signal: null })
  })
})
