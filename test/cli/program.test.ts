import { EventEmitter } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { formatEnvironment } from '../../src/cli/doctor.ts'
import { inspectEnvironment } from '../../src/cli/environment.ts'
import { describeError, exitCodeOf } from '../../src/cli/errors.ts'
import { withInterrupts } from '../../src/cli/interrupt.ts'
import { InputError } from '../../src/core/errors.ts'
import { rft } from './harness.ts'

const version = (
  JSON.parse(readFileSync(join(import.meta.dirname, '../../package.json'), 'utf8')) as { version: string }
).version

let dir: string
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'rft-cli-'))
})
afterAll(() => rmSync(dir, { recursive: true }))

describe('the command line', () => {
  it('prints its help without arguments and with --help', async () => {
    const help = await rft(['--help'])
    expect(help.code).toBe(0)
    for (const name of [
      'quickstart',
      'experiment',
      'train',
      'eval',
      'generate',
      'score',
      'data',
      'config',
      'doctor',
      'build',
    ])
      expect(help.stdout).toMatch(new RegExp(`^  ${name} `, 'm'))
    expect(await rft([])).toEqual(help)
  })

  it.each([
    'quickstart',
    'experiment',
    'plan',
    'train',
    'eval',
    'generate',
    'score',
    'report',
    'build',
    'config explain',
    'config show',
    'data shapes',
    'data check',
    'data preview',
  ])('%s shows an example in its help', async (command) => {
    const { code, stdout } = await rft([...command.split(' '), '--help'])
    expect(code).toBe(0)
    expect(stdout).toContain(`rft ${command}`.replace('rft build', 'npx rft build'))
    expect(stdout).toMatch(/Examples?:/)
  })

  it('prints its version', async () => {
    expect(await rft(['--version'])).toEqual({ code: 0, stdout: `${version}\n`, stderr: '' })
  })

  it.each([
    [['trian'], "error: unknown command 'trian'\n(Did you mean train?)"],
    [['train'], "error: missing required argument 'config'"],
    [['train', 'a.yaml', '--stpes', '1'], "error: unknown option '--stpes'\n(Did you mean --steps?)"],
    [
      ['train', 'a.yaml', '--seed', '-1'],
      "option '--seed <n>' argument '-1' is invalid. Expected a whole number from 0 on.",
    ],
    [['train', 'none.yaml'], 'error: none.yaml: expected a readable configuration file but received "ENOENT"\n'],
    [['eval', 'none.yaml'], 'error: none.yaml: expected a readable configuration file'],
    [['generate', 'm', '-p', 'x', '--top-p', '3'], 'Expected a number from 0 to 1.'],
    [['generate', 'm', '-p', 'x', '--device', 'tpu'], 'Expected one of auto, cpu, cuda.'],
    [['generate', 'm'], 'error: rft generate: expected either --prompt or --input but received "neither"'],
    [['generate', 'none', '-p', 'x'], 'error: none: expected a model folder but received "nothing"'],
    [['score', 'none'], 'error: none: expected a model folder but received "nothing"'],
    [['report', 'none'], 'error: none: expected a run folder but received "nothing"'],
    [['data', 'check', 'none.jsonl'], 'error: none.jsonl: expected an existing file or dataset folder'],
    [
      ['config', 'explain', 'train.stpes'],
      'error: train.stpes: expected a configuration key but received "stpes". Did you mean "train.steps"?',
    ],
  ])('%j is wrong usage', async (argv, message) => {
    const { code, stdout, stderr } = await rft(argv)
    expect(code).toBe(2)
    expect(stderr).toContain(message)
    expect(stderr).not.toContain('    at ')
    expect(stdout).toBe('')
  })

  it('shows where an error comes from with --debug', async () => {
    expect((await rft(['train', 'none.yaml', '--debug'])).stderr).toMatch(/\n {4}at .*load\.ts/)
    expect((await rft(['--debug', 'train', 'none.yaml'])).stderr).toMatch(/\n {4}at .*load\.ts/)
  })

  it('reports every problem of a configuration on a line of its own', async () => {
    const file = join(dir, 'bad.yaml')
    writeFileSync(file, 'run: { dir: r }\nmodel: { path: m }\ndata: { train: [a] }\ntrain: { steps: x, stpes: 3 }\n')
    const { code, stderr } = await rft(['train', file, '--set', 'rollout.groupSize=1'])
    expect(code).toBe(2)
    expect(stderr).toBe(
      `error: ${file}:4:17 train.steps: expected number but received "x"\n` +
        `error: ${file}:4:20 train.stpes: expected a known key but received "stpes". Did you mean "steps"?\n`,
    )
  })
})

describe('errors', () => {
  it('tells users from the rest by the exit code', () => {
    expect(exitCodeOf(new InputError('a', 'b', 'c'))).toBe(2)
    expect(exitCodeOf(new Error('broken'))).toBe(1)
    expect(exitCodeOf('text')).toBe(1)
    expect(exitCodeOf(new DOMException('stop', 'AbortError'))).toBe(3)
  })

  it('keeps indented lines of a message as they are', () => {
    expect(describeError(new Error('one\n  two'), false)).toBe('error: one\n  two\n')
  })

  it('shows causes with --debug', () => {
    expect(describeError(new Error('one', { cause: new Error('two') }), true)).toMatch(/caused by: Error: two/)
  })
})

describe('interrupts', () => {
  it('asks once, then ends, and leaves no listener', async () => {
    const signals = new EventEmitter()
    const ended: number[] = []
    let said = ''
    const io = {
      stdout: { write: () => true },
      stderr: { write: (text: string) => (said += text) },
      stdin: (async function* () {})(),
      environment: {},
      signals,
      exit: (code: number) => ended.push(code),
    }
    const result = await withInterrupts(io, 'finishing', async (signal) => {
      expect(signal.aborted).toBe(false)
      signals.emit('SIGINT')
      expect(signal.aborted).toBe(true)
      expect(ended).toEqual([])
      signals.emit('SIGTERM')
      return 'result'
    })
    expect(result).toBe('result')
    expect(ended).toEqual([130])
    expect(said).toBe('\nfinishing; interrupt again to stop at once\n')
    expect(signals.eventNames()).toEqual([])
  })
})

describe('rft config', () => {
  it('explains a key', async () => {
    const { code, stdout } = await rft(['config', 'explain', 'rollout.groupSize'])
    expect(code).toBe(0)
    expect(stdout).toBe('rollout.groupSize\n  Completions per prompt.\n  type     whole number from 1\n  default  8\n')
  })

  it('explains everything, and where values come from', async () => {
    const file = join(dir, 'good.yaml')
    writeFileSync(file, 'run: { dir: r }\nmodel: { path: m }\ndata: { train: [a] }\ntrain: { steps: 4 }\n')
    const all = await rft(['config', 'explain'])
    expect(all.stdout).toContain('optimizer.lr\n')
    expect(all.stdout).toContain('default  none, it is required')
    const section = await rft(['config', 'explain', 'train', '--config', file, '--set', 'train.batchSize=7'])
    expect(section.stdout).toContain(`  now      4  (${file}:4:17)\n`)
    expect(section.stdout).toContain('  now      7  (--set)\n')
    expect(section.stdout).toContain('  now      4096  (default)\n')
  })

  it('shows a whole configuration that can be used again', async () => {
    const file = join(dir, 'good.yaml')
    const { code, stdout } = await rft(['config', 'show', file, '--set', 'optimizer.lr=1e-5'])
    expect(code).toBe(0)
    expect(stdout).toContain('lr: 0.00001')
    writeFileSync(join(dir, 'again.yaml'), stdout)
    expect((await rft(['config', 'show', join(dir, 'again.yaml')])).stdout).toBe(stdout)
  })

  it('writes a JSON schema', async () => {
    const { stdout } = await rft(['config', 'schema'])
    expect(JSON.parse(stdout)).toMatchObject({ type: 'object', properties: { train: { required: ['steps'] } } })
  })
})

describe('rft doctor', () => {
  it('shows what is there', async () => {
    const { code, stdout } = await rft(['doctor'])
    expect(code).toBe(0)
    expect(stdout).toContain(`rft       ${version}\n`)
    expect(stdout).toContain(`node      ${process.versions.node}\n`)
    expect(stdout).toMatch(/^native {4}\S+, (avx512|avx2|portable), \d+ threads$/m)
    expect(stdout).toMatch(/^cuda {6}(unavailable: \S.*|.*compute \d)/m)
  })

  it('speaks JSON', async () => {
    const found = JSON.parse((await rft(['doctor', '--json'])).stdout)
    expect(found).toMatchObject({
      package: version,
      native: { loaded: true, version },
      memory: { total: expect.any(Number) },
    })
  })

  it('says why the addon does not load, and all the rest', async () => {
    const broken = await inspectEnvironment(async () => {
      throw new Error('rft: expected a native binary\n  first cause: GLIBC_2.99')
    })
    const text = formatEnvironment(broken)
    expect(text).toContain('native    not loaded: rft: expected a native binary\n')
    expect(text).toContain('first cause: GLIBC_2.99\n')
    expect(text).toContain('cuda      unavailable: the native addon does not load\n')
    expect(text).toMatch(/^cpu {7}.+cores/m)
    expect(broken.cpu.features).toBeInstanceOf(Array)
  })
})
