/** Everything hostile or broken that a run can be handed, with what it says and the exit code it ends with. */
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import sharp from 'sharp'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { stringify } from 'yaml'
import { buildHeader } from '../../src/checkpoint/safetensors.ts'
import type { ConfigInput } from '../../src/config/schema.ts'
import { readMetrics } from '../../src/metrics/jsonl.ts'
import { openModel } from '../../src/trainer/open_model.ts'
import { tinyVlInput, writeTinyVl } from '../trainer/tiny_vl.ts'
import { rft } from './harness.ts'

let dir: string
let runs = 0
beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'rft-bad-'))
  await writeTinyVl(dir)
})
afterAll(() => rmSync(dir, { recursive: true, force: true }))

/** Runs `rft train` on the tiny model with these settings; text may take the place of the whole file. */
async function train(input: Partial<ConfigInput> | string = {}) {
  const runDir = join(dir, `run-${runs++}`)
  const file = `${runDir}.yaml`
  const settings = typeof input === 'string' ? input : { train: { steps: 1 }, ...input }
  writeFileSync(file, typeof settings === 'string' ? settings : stringify(tinyVlInput(dir, runDir, settings)))
  return { ...(await rft(['train', file])), runDir, file }
}

/** A data file of these rows, whose images start from the drawn ones. */
function rows(name: string, ...content: object[]) {
  const file = join(dir, 'data', `${name}.jsonl`)
  writeFileSync(file, content.map((row) => `${JSON.stringify(row)}\n`).join(''))
  return { train: [file] }
}

const question = '<image>How many shapes?'
const picture = 'train/000000.png'

describe('rows and images', () => {
  const refused = async (data: ConfigInput['data'], message: RegExp) => {
    const { code, stderr } = await train({ data })
    expect(stderr).toMatch(message)
    expect(code).toBe(2)
  }

  test('a missing image', () =>
    refused(
      rows('missing', { problem: question, answer: '1', images: ['nowhere.png'] }),
      /missing\.jsonl:1: .*nowhere/,
    ))

  test('a truncated PNG', () => {
    const bytes = readFileSync(join(dir, 'data', picture))
    writeFileSync(join(dir, 'data', 'cut.png'), bytes.subarray(0, bytes.length / 2))
    return refused(rows('cut', { problem: question, answer: '1', images: ['cut.png'] }), /cut\.jsonl:1.*complete image/)
  })

  test('an image file of 40 megapixels', async () => {
    const bomb = sharp({ create: { width: 8000, height: 5000, channels: 3, background: 'red' } })
    await bomb.png({ compressionLevel: 9 }).toFile(join(dir, 'data', 'bomb.png'))
    const data = rows('bomb', { problem: question, answer: '1', images: ['bomb.png'] })
    await refused(data, /bomb\.jsonl:1.*at most 33554432 pixels but received "8000 x 5000"/)
  })

  test('more images than placeholders', () =>
    refused(
      rows('count', { problem: question, answer: '1', images: [picture, picture] }),
      /count\.jsonl:1: .*placeholders/,
    ))

  test('a prompt that is too long', () =>
    refused(
      { ...rows('long', { problem: question, answer: '1', images: [picture] }), maxPromptTokens: 8 },
      /long\.jsonl:1: expected a prompt of at most 8 tokens/,
    ))

  test('an image placeholder typed into the question', () =>
    refused(rows('typed', { problem: `${question}<|image_pad|>`, answer: '1', images: [picture] }), /<\|image_pad\|>/))

  test('an empty dataset', () => refused(rows('empty'), /empty\.jsonl: expected at least one row/))

  test('a line that is no JSON', () => {
    const data = rows('torn')
    writeFileSync(data.train[0]!, '{"problem": "1+1?", "answ')
    return refused(data, /torn\.jsonl:1: expected a JSON object/)
  })

  test('rows without targets for supervised training', async () => {
    const data = rows('prompts', { problem: question, answer: '1', images: [picture] })
    const { code, stderr } = await train({ data, algorithm: { trainer: 'sft' } })
    expect(stderr).toMatch(/prompts\.jsonl:1: expected a target completion/)
    expect(code).toBe(2)
  })
})

describe('model folders', () => {
  const weights = (folder: string) => join(folder, 'model.safetensors')

  async function refused(change: (folder: string) => void, message: RegExp) {
    const folder = join(dir, `model-${runs}`)
    cpSync(join(dir, 'model'), folder, { recursive: true })
    change(folder)
    const { code, stderr } = await train({ model: { path: folder } })
    expect(stderr).toMatch(message)
    expect(code).toBe(2)
  }

  /** Rewrites the header of the weights, leaving the data as it is. */
  const header = (change: (entries: Record<string, { shape: number[]; data_offsets: number[] }>) => void) => {
    return (folder: string) => {
      const bytes = readFileSync(weights(folder))
      const length = Number(bytes.readBigUInt64LE())
      const entries = JSON.parse(bytes.subarray(8, 8 + length).toString())
      change(entries)
      const text = Buffer.from(JSON.stringify(entries))
      const size = Buffer.alloc(8)
      size.writeBigUInt64LE(BigInt(text.length))
      writeFileSync(weights(folder), Buffer.concat([size, text, bytes.subarray(8 + length)]))
    }
  }
  const norm = 'model.norm.weight'

  test.each<[string, (folder: string) => void, RegExp]>([
    ['tensors that overlap', header((e) => e[norm]!.data_offsets.fill(0)), /data_offsets/],
    [
      'data past the end of the file',
      header((e) => {
        e[norm]!.data_offsets = [2 ** 40, 2 ** 40 + 128]
      }),
      /data_offsets/,
    ],
    [
      'a header length beyond the file',
      (folder) => writeFileSync(weights(folder), Buffer.from('ffffffffffffff7f7b7d', 'hex')),
      /header of at most/,
    ],
    [
      'a header that is no JSON',
      (folder) => writeFileSync(weights(folder), Buffer.from('02000000000000007b7b', 'hex')),
      /JSON/,
    ],
    [
      'a tensor that is missing',
      header((e) => {
        e['something.else'] = e[norm]!
        delete e[norm]
      }),
      /expected tensor "model\.norm\.weight"/,
    ],
    [
      'a tensor of another shape',
      header((e) => {
        e[norm]!.shape = [4, 8]
      }),
      /model\.norm\.weight.*expected shape \[32\]/,
    ],
    ['a folder without weights', (folder) => rmSync(weights(folder)), /model\.safetensors/],
    [
      'a family that nobody knows',
      (folder) => writeFileSync(join(folder, 'config.json'), '{"model_type": "gpt_next"}'),
      /model_type: expected .*qwen2.* but received "gpt_next"/,
    ],
  ])('%s', (_, change, message) => refused(change, message))
})

describe('configuration', () => {
  test('an unknown key, with its place and a suggestion', async () => {
    const { code, stderr, file } = await train('run: { dir: x }\nrollout:\n  groupsize: 4\n')
    expect(stderr).toContain(`${file}:3:3`)
    expect(stderr).toContain('groupSize')
    expect(code).toBe(2)
  })

  test('groups of one', async () => {
    const { code, stderr } = await train({ rollout: { groupSize: 1 } })
    expect(stderr).toMatch(/rollout\.groupSize: expected at least 2 completions per prompt/)
    expect(code).toBe(2)
  })

  test('parameters to freeze that do not exist', async () => {
    const { code, stderr } = await train({ model: { path: join(dir, 'model'), freeze: ['visoin'] } })
    expect(stderr).toMatch(/model\.freeze: .*"visoin"/)
    expect(code).toBe(2)
  })

  test('a run folder in use', async () => {
    const { file, code } = await train()
    expect(code).toBe(0)
    const again = await rft(['train', file])
    expect(again.stderr).toMatch(/expected an empty run folder but received .* --resume/)
    expect(again.code).toBe(2)
  })

  test('resuming on other data', async () => {
    const { file } = await train()
    const other = rows('other', { problem: '2+2?', answer: '4' }).train[0]!
    const again = await rft(['train', file, '--resume', '--set', `data.train=${JSON.stringify([other])}`])
    expect(again.stderr).toMatch(/the training rows that the run began with/)
    expect(again.code).toBe(2)
  })
})

describe('rewards', () => {
  async function judged(source: string, timeoutSeconds = 5) {
    const file = join(dir, `reward-${runs}.mjs`)
    writeFileSync(file, source)
    return train({ rewards: [{ file, timeoutSeconds }, { name: 'format' }] })
  }

  test.each<[string, string]>([
    ['throws', "export default { name: 'bad', score() { throw new Error('no') } }"],
    ['gives NaN', "export default { name: 'bad', score: () => NaN }"],
    ['hangs', "export default { name: 'bad', score() { for (;;) {} } }"],
    ['ends its thread', "export default { name: 'bad', score() { process.exit(3) } }"],
  ])('one that %s is counted and left out', async (_, source) => {
    const { code, runDir } = await judged(source, 0.3)
    expect(code).toBe(0)
    const [record] = readMetrics(runDir)
    expect(record).toMatchObject({ 'rewards/bad/failures': 12, reward: 0 })
  })

  test('one whose file does not load', async () => {
    const { code, stderr } = await judged("import 'nowhere'; export default 1")
    expect(stderr).toMatch(/reward .*reward-\d+\.mjs: expected a module/)
    expect(code).toBe(2)
  })

  test('values so large that the loss is not finite: the steps are skipped, then the run fails with the remedy', async () => {
    const file = join(dir, 'huge.mjs')
    writeFileSync(file, "export default { name: 'huge', score: ({ completion }) => completion.length * 1e38 }")
    const { code, stderr, runDir } = await train({ rewards: [{ file }], train: { steps: 6, maxSkippedSteps: 3 } })
    expect(stderr).toMatch(/expected at most 3 skipped steps in a row but received 4.*optimizer\.lr/)
    expect(code).toBe(1)
    expect(readMetrics(runDir)).toHaveLength(4)
    expect(readMetrics(runDir)[0]).toMatchObject({ skipped_updates: 1, loss: Number.NaN })
  })
})

describe('saving', () => {
  const onLinux = test.runIf(process.platform === 'linux')
  onLinux('a full disk is reported by the file that did not fit', async () => {
    const { model } = await openModel(join(dir, 'model'))
    const sinks = model.parameters().map(({ name }) => ({ name, dtype: 'F32' as const }))
    const head = buildHeader(model.parameters().map((p) => ({ ...p, dtype: 'F32' as const })))
    await expect(model.save('/dev/full', head, sinks)).rejects.toThrow(/\/dev\/full.*No space left on device/)
    model.dispose()
  })

  test('leftovers of a save that did not end are no obstacle', async () => {
    const { file, runDir } = await train()
    const folder = join(runDir, 'checkpoints')
    writeFileSync(join(folder, '.tmp-2'), 'in the way')
    const again = await rft(['train', file, '--resume', '--steps', '2'])
    expect(again.code).toBe(0)
    expect(readdirSync(folder).sort()).toEqual(['step-1', 'step-2'])
  })
})
