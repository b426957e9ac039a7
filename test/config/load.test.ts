import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { loadConfig, parseConfig, stringifyConfig, writeResolvedConfig } from '../../src/config/load.ts'
import { ConfigError } from '../../src/config/messages.ts'

const minimal = `run: { dir: runs/a }
model: { path: models/m }
data:
  train: [a.jsonl]
train:
  steps: 3
`

function problems(text: string, overrides: string[] = []): string[] {
  try {
    parseConfig(text, 'config.yaml', overrides)
  } catch (error) {
    return (error as Error).message.split('\n')
  }
  return []
}

describe('parseConfig', () => {
  it('fills in every default', () => {
    const { config } = parseConfig(minimal, 'config.yaml')
    expect(config).toMatchObject({
      seed: 0,
      device: 'auto',
      run: { dir: 'runs/a', overwrite: false },
      algorithm: { trainer: 'grpo', advantage: { scale: 'group', eps: 1e-4 }, loss: { clipLow: 0.2, clipHigh: 0.2 } },
      rollout: { promptsPerStep: 16, groupSize: 8, temperature: 1, maxNewTokens: 256 },
      rewards: [{ name: 'accuracy', weight: 1 }],
      optimizer: { lr: 1e-6, beta1: 0.9, beta2: 0.999, eps: 1e-8, maxGradNorm: 1, noDecay: ['norm', 'bias'] },
      checkpoint: { keepLast: 2, keepBest: null },
    })
  })

  it('gives file, line, column, key and what was there', () => {
    expect(problems(minimal.replace('3', 'x'))).toEqual([
      'config.yaml:6:10 train.steps: expected number but received "x"',
    ])
  })

  it('reports all problems of a file at once', () => {
    const found = problems(`${minimal}rollout:
  grupSize: 4
  topP: 2
  temperature: -1
optimiser: {}
`)
    expect(found).toHaveLength(4)
    expect(found).toContain(
      'config.yaml:8:3 rollout.grupSize: expected a known key but received "grupSize". Did you mean "groupSize"?',
    )
    expect(found).toContain('config.yaml:9:9 rollout.topP: expected at most 1 but received 2')
    expect(found).toContain('config.yaml:10:16 rollout.temperature: expected at least 0 but received -1')
    expect(found).toContain(
      'config.yaml:11:1 optimiser: expected a known key but received "optimiser". Did you mean "optimizer"?',
    )
  })

  it('lists the known keys when none is close, also for names of object members', () => {
    for (const name of ['__proto__', 'constructor', 'zebra'])
      expect(problems(`${minimal}${name}: { a: 1 }\n`)[0]).toMatch(
        new RegExp(`^config.yaml:7:1 ${name}: expected a known key .* Known keys: seed, device`),
      )
  })

  it('says what a missing section needs', () => {
    expect(problems('')).toContain(
      'config.yaml model: expected mapping of keys but received nothing. It is required, with path in it.',
    )
    expect(problems(minimal.replace('  steps: 3', '  batchSize: 4'))).toEqual([
      'config.yaml:5:1 train.steps: expected number but received nothing. It is required.',
    ])
  })

  it('suggests values of an enumeration', () => {
    expect(problems(`${minimal}algorithm: { trainer: gpro }`)).toEqual([
      'config.yaml:7:23 algorithm.trainer: expected one of grpo, ppo, sft but received "gpro". Did you mean "grpo"?',
    ])
  })

  it('speaks of the kind of reward that was meant', () => {
    const yaml = `${minimal}rewards:\n  - { file: r.ts, weigt: 2 }\n  - { name: accurracy }\n  - 4\n`
    const [weight, name, four, ...others] = problems(yaml)
    expect(weight).toBe(
      'config.yaml:8:19 rewards.0.weigt: expected a known key but received "weigt". Did you mean "weight"?',
    )
    expect(name).toMatch(
      /^config.yaml:9:13 rewards.1.name: expected one of .* but received "accurracy". Did you mean "accuracy"\?$/,
    )
    expect(four).toBe('config.yaml:10:5 rewards.2: expected mapping of keys but received 4')
    expect(others).toEqual([])
  })

  it('checks the parameters of a built-in reward', () => {
    const yaml = `${minimal}rewards:\n  - { name: math, parameters: { decimals: 0, latx: true } }\n  - { name: math, as: strict }\n`
    expect(problems(yaml)).toEqual([
      'config.yaml:8:43 rewards.0.parameters.decimals: expected whole number from 1 to 14 but received 0. A decimal of at least so many places may be the rounding of a value it cannot write.',
      'config.yaml:8:52 rewards.0.parameters.latx: expected a parameter of this reward but received true. Did you mean "latex"?',
    ])
  })

  it.each([
    ['a: [1', 'config.yaml:1:6: expected YAML'],
    ['a: 1\na: 2\n', 'config.yaml:2:1: expected YAML but received "a: 2". Map keys must be unique.'],
    ['just text', 'config.yaml:1:1: expected a mapping of sections'],
    [
      `a: &a [x,x,x,x,x,x,x,x]\nb: &b [${'*a,'.repeat(9)}]\nc: &c [${'*b,'.repeat(9)}]\nd: [${'*c,'.repeat(9)}]`,
      'config.yaml: expected YAML but received "Excessive alias count',
    ],
  ])('refuses %j', (text, message) => {
    expect(problems(text)[0]).toContain(message)
  })
})

describe('checks across keys', () => {
  it.each([
    [
      ['rollout.groupSize=1'],
      '--set rollout.groupSize: expected at least 2 completions per prompt but received 1. An advantage is a reward minus the mean of its group: in a group of one it is always 0.',
    ],
    [
      ['device=cpu', 'train.offload.optimizer=true'],
      '--set train.offload.optimizer: expected false on the CPU but received true. Everything is in host memory there already.',
    ],
    [
      ['train.offload.reference=true', 'algorithm.kl={"coef":0.1,"reference":"ema"}'],
      '--set train.offload.reference: expected false while algorithm.kl.reference is ema but received true',
    ],
    [['rollout.temperature=0'], '--set rollout.temperature: expected a temperature above 0 but received 0'],
    [
      ['algorithm.miniBatches=20'],
      '--set algorithm.miniBatches: expected at most rollout.promptsPerStep (16) but received 20',
    ],
    [['eval.every=5'], '--set eval.every: expected 0 without held-out rows but received 5'],
    [['eval.atStart=true'], '--set eval.atStart: expected false without held-out rows but received true'],
    [
      ['checkpoint.keepBest=eval_accuracy'],
      '--set checkpoint.keepBest: expected a training metric while eval.every is 0',
    ],
    [
      ['data.minPixels=100', 'data.maxPixels=50'],
      '--set data.minPixels: expected at most data.maxPixels (50) but received 100',
    ],
    [['optimizer.warmupSteps=4'], '--set optimizer.warmupSteps: expected at most train.steps (3) but received 4'],
    [
      ['lora={}', 'algorithm.kl.reference=ema'],
      '--set algorithm.kl.reference: expected frozen with adapters but received "ema"',
    ],
    [['data.template=no place for it'], '--set data.template: expected text that contains {problem}'],
  ])('%j', (overrides, message) => {
    const found = problems(minimal, overrides)
    expect(found).toHaveLength(1)
    expect(found[0]).toContain(message)
  })

  it('has a position when the file says it', () => {
    expect(problems(`${minimal}rollout:\n  groupSize: 1\n`)[0]).toMatch(/^config.yaml:8:14 rollout.groupSize: /)
  })

  it('leaves imitation runs alone', () => {
    expect(problems(minimal, ['algorithm.trainer=sft', 'rollout.groupSize=1'])).toEqual([])
  })
})

describe('--set', () => {
  it('reads values as YAML, in order, and creates sections', () => {
    const { config } = parseConfig(minimal, 'config.yaml', [
      'optimizer.lr=1e-5',
      'data.train=[b.jsonl, c.jsonl]',
      'rewards=[{ name: format }]',
      'rewards.0.weight=0.5',
      'run.dir=x=y',
      'train.steps=4',
      'train.steps=5',
    ])
    expect(config.optimizer.lr).toBe(1e-5)
    expect(config.data.train).toEqual(['b.jsonl', 'c.jsonl'])
    expect(config.rewards).toEqual([{ name: 'format', parameters: {}, weight: 0.5, timeoutSeconds: 5 }])
    expect(config.run.dir).toBe('x=y')
    expect(config.train.steps).toBe(5)
  })

  it.each([
    ['steps', '--set steps: expected key=value'],
    ['=3', '--set =3: expected key=value'],
    ['a..b=3', '--set a..b=3: expected key=value'],
    ['train.steps=[1', '--set train.steps: expected a YAML value but received "[1"'],
    ['train.steps.more=1', '--set train.steps.more: expected a key inside a section or list'],
    ['train.stpes=1', '--set train.stpes: expected a known key but received "stpes". Did you mean "steps"?'],
    ['train.steps=many', '--set train.steps: expected number but received "many"'],
  ])('%s', (assignment, message) => {
    expect(problems(minimal, [assignment])[0]).toContain(message)
  })

  it('tells where each value came from', () => {
    const { origin } = parseConfig(minimal, 'config.yaml', ['optimizer.lr=1e-5'])
    expect(origin('optimizer.lr')).toBe('--set')
    expect(origin('train.steps')).toBe('config.yaml:6:10')
    expect(origin('seed')).toBe('default')
  })
})

describe('files', () => {
  let folder: string
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'rft-config-'))
  })
  afterAll(() => rm(folder, { recursive: true }))

  it('writes a resolved file that reads back as the same configuration', async () => {
    const { config } = parseConfig(minimal, 'config.yaml', [
      'optimizer.lr=3.3e-7',
      'data.system="line: one\\nline two # not a comment"',
      'data.template="{problem} yes"',
      'rollout.stop=["no", "</answer>", "~"]',
    ])
    const runDir = join(folder, 'new', 'run')
    await writeResolvedConfig(runDir, config)
    const back = await loadConfig(join(runDir, 'config.resolved.yaml'))
    expect(back.config).toEqual(config)
    expect(await readFile(join(runDir, 'config.resolved.yaml'), 'utf8')).toBe(stringifyConfig(back.config))
  })

  it('names a file that cannot be read', async () => {
    await expect(loadConfig(join(folder, 'none.yaml'))).rejects.toThrow(
      /none\.yaml: expected a readable configuration file but received "ENOENT"/,
    )
    await expect(loadConfig(folder)).rejects.toThrow(/received "EISDIR"/)
  })

  it('carries the single problems', async () => {
    const file = join(folder, 'bad.yaml')
    await writeFile(file, `${minimal}seed: -1\n`)
    const error = await loadConfig(file).catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(ConfigError)
    expect((error as ConfigError).problems).toHaveLength(1)
    expect((error as ConfigError).problems[0]!.where).toBe(`${file}:7:7 seed`)
  })
})
