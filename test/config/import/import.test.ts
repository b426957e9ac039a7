import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, test } from 'vitest'
import { type Imported, importConfig, importedYaml } from '../../../src/config/import/index.ts'
import { readSettings, splitWords } from '../../../src/config/import/settings.ts'
import { parseConfig } from '../../../src/config/load.ts'
import { readMetrics } from '../../../src/metrics/jsonl.ts'
import { rft } from '../../cli/harness.ts'
import { writeTinyVl } from '../../trainer/tiny_vl.ts'

const given = (name: string) => join(import.meta.dirname, 'settings', name)
const config = (imported: Imported) => parseConfig(importedYaml(imported, 'theirs'), 'imported').config
const keys = (list: readonly { key: string }[]) => list.map(({ key }) => key)
const notes = ({ report }: Imported) => report.mapped.flatMap(({ to }) => to.flatMap(({ note }) => note ?? []))

let dir: string
beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'rft-import-'))
  await writeTinyVl(dir)
})
afterAll(() => rmSync(dir, { recursive: true }))

describe('EasyR1', () => {
  const imported = importConfig(given('easyr1.yaml'), { rows: 12_000 })

  it('becomes a configuration with the same meaning', () => {
    const {
      seed,
      run,
      model,
      data,
      algorithm,
      rollout,
      rewards,
      optimizer,
      train,
      checkpoint,
      eval: evaluation,
    } = config(imported)
    expect({ seed, dir: run.dir, path: model.path, recompute: model.recompute }).toEqual({
      ...{ seed: 1, dir: 'runs/qwen2_5_7b_math_grpo', path: 'Qwen/Qwen2.5-7B-Instruct', recompute: true },
    })
    expect(data).toMatchObject({ maxPromptTokens: 2048, minPixels: 262144, maxPixels: 4194304, format: 'easyr1' })
    expect(data.template).toMatch(
      /^\{problem\} You FIRST think .*<think> <\/think> tags\. The final answer MUST BE put in \\boxed\{\}\.$/,
    )
    expect(rollout).toMatchObject({ promptsPerStep: 512, groupSize: 5, maxNewTokens: 2048, temperature: 1, topP: 1 })
    expect(algorithm).toMatchObject({
      preset: 'easyr1',
      miniBatches: 4,
      kl: { coef: 0.01, estimator: 'k3', place: 'loss' },
    })
    expect(algorithm.loss).toMatchObject({ clipLow: 0.2, clipHigh: 0.3, dualClip: 3, aggregation: 'token-mean' })
    expect(rewards).toMatchObject([
      { name: 'math', weight: 0.9 },
      { name: 'format', weight: 0.1, parameters: { style: 'think-boxed' } },
    ])
    expect(optimizer).toMatchObject({ lr: 1e-6, weightDecay: 0.01, maxGradNorm: 1, warmupSteps: 0 })
    expect(train.steps).toBe(Math.floor((12_000 * 15) / 512))
    expect(checkpoint).toMatchObject({ every: 5, keepLast: 3 })
    expect(evaluation).toMatchObject({ every: 5, atStart: true })
  })

  it('says what became of every setting, and which ones nobody knows', () => {
    const { report } = imported
    expect(keys(report.unknown)).toEqual(['data.video_fps', 'data.override_chat_template', 'trainer.made_up_setting'])
    expect(keys(report.needless)).toContain('worker.actor.fsdp.enable_full_shard')
    const all = [...report.mapped.flatMap(({ from }) => keys(from)), ...keys(report.needless), ...keys(report.unknown)]
    expect(new Set(all).size).toBe(all.length)
    expect(new Set(all)).toEqual(new Set(readSettings(given('easyr1.yaml')).keys()))
    expect(notes(imported)).toEqual([
      'a model of the Hub; download it and name its folder',
      'hiyouga/math12k@train: of the Hub; read from its cache, where it is downloaded to when it is not there',
      'hiyouga/math12k@test: of the Hub; read from its cache, where it is downloaded to when it is not there',
      '15 epochs x rows / 512 prompts',
    ])
  })
})

test('a verl script becomes a configuration with the same meaning', () => {
  const imported = importConfig(given('verl.sh'))
  const { algorithm, rollout, data, model, eval: evaluation, run } = config(imported)
  expect(algorithm).toMatchObject({
    preset: 'verl',
    miniBatches: 4,
    kl: { coef: 0.01, estimator: 'k3', place: 'loss' },
  })
  expect(algorithm.advantage.kind).toBe('group')
  expect(rollout).toMatchObject({ promptsPerStep: 512, groupSize: 5, maxNewTokens: 2048 })
  expect(data.train).toEqual(['$HOME/data/geo3k/train.parquet'])
  expect(model.path).toBe('Qwen/Qwen2.5-VL-7B-Instruct')
  expect([evaluation.every, run.dir]).toEqual([5, 'runs/qwen2_5_vl_7b_function_rm'])
  expect(imported.report.unknown).toEqual([])
  expect(notes(imported)).toContain(
    '15 epochs x rows / 512 prompts: the number of rows is not known (--rows), so 100 stands for it',
  )
})

describe('TRL', () => {
  it('arguments of a script', () => {
    const imported = importConfig(given('trl.sh'))
    const { algorithm, rollout, lora, optimizer, metrics, run } = config(imported)
    expect(algorithm).toMatchObject({ preset: 'trl', miniBatches: 1, updatesPerRollout: 1, kl: { coef: 0 } })
    expect(rollout).toMatchObject({ promptsPerStep: 4, groupSize: 8, maxNewTokens: 1024 })
    expect(lora).toMatchObject({ targets: ['q_proj', 'v_proj'] })
    expect([optimizer.lr, optimizer.schedule, metrics.completions, run.dir]).toEqual([
      1e-5,
      'linear',
      1,
      'grpo-Qwen2.5-VL-3B-Instruct',
    ])
    expect(imported.report.unknown).toEqual([])
  })

  it('a file; optimizer steps become rollouts, rewards what their names say', () => {
    const imported = importConfig(given('trl.yaml'))
    const { algorithm, rollout, rewards, train, optimizer, checkpoint, metrics } = config(imported)
    expect(rollout).toMatchObject({ promptsPerStep: 16, groupSize: 4, temperature: 0.9, topK: 0 })
    expect(algorithm).toMatchObject({
      miniBatches: 2,
      updatesPerRollout: 2,
      maskTruncated: true,
      advantage: { scale: 'none' },
    })
    expect(algorithm.loss).toMatchObject({ kind: 'clip', clipLow: 0.2, clipHigh: 0.28, aggregation: 'fixed-length' })
    expect([train.steps, optimizer.warmupSteps, checkpoint.every]).toEqual([50, 5, 10])
    expect([optimizer.schedule, metrics.tensorboard]).toEqual(['cosine', true])
    expect(rewards).toMatchObject([
      { name: 'math', weight: 1 },
      { name: 'format', weight: 0.5, parameters: { style: 'think' } },
    ])
    expect(notes(imported)).toContain('my_module.my_reward: write it as a reward file (docs/rewards.md); left out')
    expect(keys(imported.report.unknown)).toEqual(['brand_new_option'])
  })
})

describe('reading', () => {
  it('takes scripts apart without running them', () => {
    // biome-ignore lint/suspicious/noTemplateCurlyInString: of the shell
    const script = 'A=1 \nB="two $A"\n# --no\nrun \\\n --x \'a b\' --y=$B --z ${C:-3} --w $D --v $(rm -rf /) `id`; echo'
    expect(splitWords(script)).toEqual([
      ...['run', '--x', 'a b', '--y=two 1', '--z', '3', '--w', '$D', '--v', '$(rm', '-rf', '/)', '`id`;', 'echo'],
    ])
  })

  it('reads the file that a script builds on first', () => {
    const file = join(dir, 'run.sh')
    writeFileSync(join(dir, 'base.yaml'), readFileSync(given('easyr1.yaml')))
    writeFileSync(
      file,
      'python3 -m verl.trainer.main config=base.yaml worker.rollout.n=7 data.rollout_batch_size=256\n',
    )
    const { rollout, optimizer } = config(importConfig(file, { rows: 1000 }))
    expect([rollout.groupSize, rollout.promptsPerStep, optimizer.lr]).toEqual([7, 256, 1e-6])
  })

  it.each([
    ['nothing.yaml', null, /expected a readable file but received "ENOENT"/],
    ['empty.yaml', '', /expected settings but received "none"/],
    ['other.yaml', 'a: 1\nb: { c: 2 }', /expected settings of easyr1, verl, trl but received "a, b\.c"/],
    ['broken.yaml', 'a: [1', /expected YAML/],
  ])('%s is refused', (name, text, message) => {
    if (text !== null) writeFileSync(join(dir, name), text)
    expect(() => importConfig(join(dir, name))).toThrow(message)
  })
})

describe('optimizers of fewer bits', () => {
  it.each([
    ['bnb.yaml', 'num_generations: 8\noptim: paged_adamw_8bit', '8bit'],
    ['torch.yaml', 'num_generations: 8\noptim: adamw_torch_fused', 'f32'],
    ['bf16.yaml', 'worker: { actor: { optim: { strategy: adamw_bf16 } } }', 'bf16'],
    ['verl.yaml', 'actor_rollout_ref: { actor: { optim: { optimizer: AdamW8bit } } }', '8bit'],
  ])('%s', (name, text, state) => {
    writeFileSync(join(dir, name), text)
    expect(config(importConfig(join(dir, name))).optimizer.state).toBe(state)
  })
})

describe('one command, then training', () => {
  const small = (runDir: string) => [
    ...['--set', `run.dir=${runDir}`, '--set', `model.path=${join(dir, 'model')}`],
    ...[
      '--set',
      `data.train=[${join(dir, 'data', 'train.jsonl')}]`,
      '--set',
      'train.steps=2',
      '--set',
      'rollout.promptsPerStep=2',
    ],
    ...[
      '--set',
      'rollout.maxNewTokens=6',
      '--set',
      'algorithm.miniBatches=1',
      '--set',
      'data.minPixels=null',
      '--set',
      'data.maxPixels=null',
    ],
  ]

  it.each([
    ['easyr1.yaml', [`data.eval=[${'DIR'}/data/held_out.jsonl]`, 'data.maxPromptTokens=2048']],
    ['trl.sh', []],
    ['trl.yaml', ['optimizer.warmupSteps=0']],
    ['verl.sh', [`data.eval=[${'DIR'}/data/held_out.jsonl]`]],
  ])('%s', async (name, more) => {
    const runDir = join(dir, `run-${name}`)
    const out = join(dir, `${name}.imported.yaml`)
    const sets = more.flatMap((one) => ['--set', one.replace('DIR', dir)])
    const imported = await rft(['config', 'import', given(name), ...small(runDir), ...sets, '-o', out])
    expect(imported).toMatchObject({ code: 0 })
    expect(imported.stderr).toContain('what they became')
    expect(existsSync(out)).toBe(true)
    const trained = await rft(['train', out])
    expect(trained.stderr).toBe('')
    expect(trained.code).toBe(0)
    expect(readMetrics(runDir).filter((record) => record.loss !== undefined)).toHaveLength(2)
  })

  it('an output that is there is left alone', async () => {
    const out = join(dir, 'there.yaml')
    writeFileSync(out, 'mine')
    const { code, stderr } = await rft(['config', 'import', given('trl.yaml'), '-o', out])
    expect(code).toBe(2)
    expect(stderr).toContain('there.yaml: expected a file that is not there yet')
    expect(readFileSync(out, 'utf8')).toBe('mine')
  })
})
