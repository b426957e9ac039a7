/** Commands that open a model: generation and scoring against golden numbers, evaluation and a short training run. */
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readMetrics } from '../../src/metrics/jsonl.ts'
import { fixture } from '../harness/fixtures.ts'
import { floats, goldenCase } from '../harness/golden_models.ts'
import { rft } from './harness.ts'

const model = fixture('models/qwen2_5_vl')
const scene = fixture('models/media/scene.png')
const question = 'How many red triangles are there?'
const text = join(model, 'vectors', 'a_text.safetensors')
// The golden run resized the image with torchvision, which rounds some pixels to the next grey level.
const golden = (name: string) => floats(join(model, 'vectors', 'b_image.safetensors'), `s0.${name}`)
const sample = goldenCase('qwen2_5_vl', 'b_image').samples[0]!
const imageCompletion = '<think>\nI see one.\n</think>\n<answer>1</answer>'

let dir: string
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'rft-cli-model-'))
})
afterAll(() => rmSync(dir, { recursive: true }))

const file = (name: string, ...rows: unknown[]) => {
  writeFileSync(join(dir, name), rows.map((row) => `${JSON.stringify(row)}\n`).join(''))
  return join(dir, name)
}
const parsed = (text: string) =>
  text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
const close = (got: number[], wanted: ArrayLike<number>, tolerance: number) => {
  expect(got).toHaveLength(wanted.length)
  for (const [i, value] of got.entries()) expect(Math.abs(value - wanted[i]!)).toBeLessThanOrEqual(tolerance)
}

describe('rft generate', () => {
  it('gives the golden greedy tokens for an image and a question', async () => {
    const argv = ['generate', model, '-i', scene, '-p', question, '-t', '0', '--max-new-tokens', '24', '--json']
    const { code, stdout } = await rft(argv)
    expect(code).toBe(0)
    const [{ promptTokens, completions }] = parsed(stdout)
    expect(promptTokens).toBe(sample.prompt_ids.length)
    expect(completions[0].tokens).toEqual(sample.greedy!.ids)
    expect(completions[0].finish).toBe('length')
  })

  it('prints text, and numbers several completions', async () => {
    const one = await rft(['generate', model, '-p', '-', '--max-new-tokens', '5'], { stdin: '1+1?\n' })
    expect(one.code).toBe(0)
    expect(one.stdout.endsWith('\n')).toBe(true)
    const many = await rft(['generate', model, '-p', '1+1?', '--max-new-tokens', '5', '-n', '3'])
    expect(many.stdout.match(/^--- \d of 3: \d tokens, (length|eos)$/gm)).toHaveLength(3)
    expect(many.stdout.split('\n').slice(1).join('\n')).toContain(one.stdout.trim())
  })

  it('answers every row of a file, the same whether alone or not', async () => {
    const rows = Array.from({ length: 18 }, (_, i) => ({ prompt: `${i} + ${i}?` }))
    const all = await rft(['generate', model, '--input', file('rows.jsonl', ...rows), '--max-new-tokens', '3'])
    const answers = parsed(all.stdout)
    expect(answers).toHaveLength(18)
    expect(answers[17].id).toBe(`${join(dir, 'rows.jsonl')}:18`)
    const again = await rft(['generate', model, '--input', '-', '--max-new-tokens', '3', '--threads', '1'], {
      stdin: rows.map((row) => JSON.stringify(row)).join('\n'),
    })
    expect(parsed(again.stdout).map(({ completions }) => completions)).toEqual(
      answers.map(({ completions }) => completions),
    )
  })

  it.each([
    [['-p', 'x', '-i', 'none.png'], /none\.png\): expected an existing image file but received "ENOENT"/],
    [['-p', 'x', '--max-prompt-tokens', '5'], /--prompt: expected a prompt of at most 5 tokens/],
    [['-p', 'a <|image_pad|> b'], /expected text without the placeholder <\|image_pad\|>/],
    [['--input', 'none.jsonl'], /none\.jsonl: expected a file of JSON lines but received "nothing"/],
  ])('%j is refused', async (flags, message) => {
    const { code, stderr } = await rft(['generate', model, ...flags])
    expect(code).toBe(2)
    expect(stderr).toMatch(message)
  })
})

describe('rft score', () => {
  it('gives the golden token ids, log-probs and entropies, with an image', async () => {
    const row = {
      messages: [{ role: 'user', content: [{ type: 'image' }, { type: 'text', text: question }] }],
      images: [scene],
      completion: imageCompletion,
    }
    const { code, stdout } = await rft(['score', model, file('image.jsonl', row), '--eos'])
    expect(code).toBe(0)
    const [{ tokens, logps, entropies, logp }] = parsed(stdout)
    expect(tokens).toEqual(sample.completion_ids)
    close(logps, await golden('logprobs_t1.0'), 2e-4)
    close(entropies, await golden('entropy_t1.0'), 2e-4)
    expect(logp).toBeCloseTo(-96.82591438293457, 2)
  })

  it('divides by the temperature', async () => {
    const { prompt_ids, completion_ids } = goldenCase('qwen2_5_vl', 'a_text').samples[1]!
    const stdin = JSON.stringify({ prompt_ids, completion_ids })
    const { stdout } = await rft(['score', model, '-', '-t', '0.7'], { stdin })
    close(parsed(stdout)[0].logps, await floats(text, 's1.logprobs_t0.7'), 2e-4)
    close(parsed(stdout)[0].entropies, await floats(text, 's1.entropy_t0.7'), 5e-4)
  })

  it('takes token ids, in any portions of rows, bit for bit the same', async () => {
    const samples = goldenCase('qwen2_5_vl', 'a_text').samples
    const rows = samples.map(({ prompt_ids, completion_ids }) => ({ prompt_ids, completion_ids }))
    const input = file('ids.jsonl', ...rows)
    const whole = await rft(['score', model, input])
    const pieces = await rft(['score', model, input, '--tokens-per-pass', '1', '--threads', '1'])
    expect(whole.code).toBe(0)
    expect(pieces.stdout).toBe(whole.stdout)
    for (const [i, { logps }] of parsed(whole.stdout).entries())
      close(logps, await floats(text, `s${i}.logprobs_t1.0`), 2e-4)
  })

  it('scores what generate sampled to the same log-probs', async () => {
    const { stdout } = await rft(['generate', model, '-i', scene, '-p', question, '--max-new-tokens', '12', '--json'])
    const [{ completions }] = parsed(stdout)
    const row = { prompt: question, images: [scene], completion_ids: completions[0].tokens }
    const scored = await rft(['score', model, '-'], { stdin: JSON.stringify(row) })
    expect(parsed(scored.stdout)[0].logps).toEqual(completions[0].logps)
    expect(parsed(scored.stdout)[0].entropies).toEqual(completions[0].entropies)
  })

  it.each([
    ['{"prompt": "a"}', /stdin:1 completion: expected a text, or token ids in completion_ids but received nothing/],
    ['{"prompt": "a", "completion": ""}', /stdin:1: expected a completion of at least one token/],
    ['{"completion": "a"}', /stdin:1: expected the columns of/],
    [
      '{"prompt_ids": [1, 99999], "completion_ids": [1]}',
      /stdin:1 prompt_ids: expected a list of token ids from 0 to 1791/,
    ],
    ['{"prompt_ids": [1756], "completion_ids": [1]}', /stdin:1 prompt_ids: expected no image tokens/],
    ['{"prompt_ids": [], "completion_ids": [1]}', /stdin:1 prompt_ids: expected at least one token id/],
    ['[1]', /stdin:1: expected a JSON object but received \[1\]/],
    ['\n{"prompt"', /stdin:2: expected a JSON object/],
  ])('%s is refused', async (stdin, message) => {
    const { code, stdout, stderr } = await rft(['score', model, '-'], { stdin })
    expect(code).toBe(2)
    expect(stderr).toMatch(message)
    expect(stdout).toBe('')
  })
})

describe('rft train and eval', () => {
  const config = () => {
    const rows = Array.from({ length: 6 }, (_, i) => ({
      problem: `<image>${question} ${i}`,
      answer: String(i % 2),
      images: ['scene.png'],
      kind: 'count',
    }))
    cpSync(scene, join(dir, 'scene.png'))
    const train = file('train.jsonl', ...rows)
    const held = file('held.jsonl', ...rows.slice(0, 4))
    writeFileSync(
      join(dir, 'train.yaml'),
      `run: { dir: ${join(dir, 'run')} }
model: { path: ${model} }
data: { train: [${train}], eval: [${held}] }
rollout: { promptsPerStep: 2, groupSize: 3, maxNewTokens: 6 }
rewards: [{ name: accuracy }, { name: format, weight: 0.5 }]
train: { steps: 3 }
checkpoint: { every: 1, keepLast: 1 }
`,
    )
    return join(dir, 'train.yaml')
  }

  it('trains, stops at an interrupt with a checkpoint, continues, and evaluates', { timeout: 120_000 }, async () => {
    const { EventEmitter } = await import('node:events')
    const signals = new EventEmitter()
    const watch = setInterval(() => {
      if (existsSync(join(dir, 'run', 'checkpoints', 'step-1')) && !signals.emit('SIGINT')) clearInterval(watch)
      else if (existsSync(join(dir, 'run', 'checkpoints', 'step-1'))) clearInterval(watch)
    }, 2)
    const first = await rft(['train', config(), '--steps', '50'], { signals })
    clearInterval(watch)
    expect(first.code).toBe(3)
    expect(first.stderr).toContain('finishing the step in progress and saving; interrupt again to stop at once')
    const stopped = Number(/stopped at step (\d+)/.exec(first.stdout)?.[1])
    expect(stopped).toBeLessThan(50)

    const again = await rft(['train', config()])
    expect(again.code).toBe(2)
    expect(again.stderr).toContain('expected an empty run folder but received "a run". Use --resume')

    const resumed = await rft(['train', config(), '--resume', '--steps', String(stopped + 2)])
    expect(resumed.code).toBe(0)
    expect(resumed.stdout).toContain(`done at step ${stopped + 2}`)
    expect(resumed.stdout).toMatch(/held-out accuracy \d+\.\d %/)
    const records = readMetrics(join(dir, 'run'))
    expect(records.filter(({ loss }) => loss !== undefined).map(({ step }) => step)).toEqual(
      Array.from({ length: stopped + 2 }, (_, i) => i + 1),
    )
    expect(readFileSync(join(dir, 'run', 'report.html'), 'utf8')).toContain('<b>Reward</b>')

    const evaluated = await rft(['eval', join(dir, 'run'), '--rows', '2'])
    expect(evaluated).toMatchObject({ code: 0, stderr: '' })
    expect(evaluated.stdout).toMatch(/^rows +2$/m)
    expect(evaluated.stdout).toMatch(/^ {2}count +\d+\.\d % {2}\(2 rows, best constant answer 50\.0 %\)$/m)
    const json = JSON.parse((await rft(['eval', config(), '--blind', '--json'])).stdout)
    expect(json).toMatchObject({ rows: 4, perKind: { count: { rows: 4, bestConstant: 0.5 } } })

    const drawn = await rft(['report', join(dir, 'run')])
    expect(drawn).toEqual({ code: 0, stdout: `${join(dir, 'run', 'report.html')}\n`, stderr: '' })
  })

  it('names what is wrong before the model is loaded', async () => {
    const empty = file('empty.jsonl')
    const cases: [string[], string][] = [
      [['--set', `data.train=[${empty}]`], 'expected at least one row but received "an empty dataset"'],
      [['--set', 'model.path=none'], 'error: none: expected a model folder but received "nothing"'],
      [['--set', 'rollout.groupSize=1'], 'in a group of one it is always 0'],
    ]
    for (const [flags, message] of cases) {
      const { code, stderr } = await rft(['train', config(), '--set', `run.dir=${join(dir, 'other')}`, ...flags])
      expect(stderr).toContain(message)
      expect(code).toBe(2)
    }
  })
})
