import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { listSideFiles, type ModelConfig } from '../../src/checkpoint/hf_folder.ts'
import { parameterShapes } from '../../src/models/index.ts'
import { createModelFolder } from '../../src/quickstart/model_folder.ts'
import { ChatTemplate } from '../../src/text/chat_template.ts'
import { renderPrompt } from '../../src/text/prompt.ts'
import { Tokenizer } from '../../src/text/tokenizer.ts'
import { ImageProcessor } from '../../src/vision/processor.ts'
import { readProcessorSettings } from '../../src/vision/processor_config.ts'
import { fixture } from '../harness/fixtures.ts'

const vision = { hidden: 96, layers: 2, heads: 4, ffn: 192, window: 56, fullBlocks: [1] }
const model = { vocab: 512, hidden: 128, layers: 4, heads: 4, kvHeads: 2, ffn: 384, vision }
const sentences = ['How many red circles are there?', 'How many blue circles are there?']

let dir = ''
let created: ModelConfig
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'rft-create-'))
  created = await createModelFolder(join(dir, 'model'), { model, sentences, maxPixels: 84 * 84 })
})
afterAll(() => rm(dir, { recursive: true }))

it('has the sizes asked for', () => {
  expect(created.family.name).toBe('qwen2_5_vl')
  expect(created.spec.decoder).toMatchObject({ hidden: 128, kvHeads: 2, tiedHead: true, mropeSection: [4, 6, 6] })
  expect(created.spec.vision).toMatchObject({ hidden: 96, windowSize: 56, fullBlocks: [1], outHidden: 128 })
  expect(parameterShapes(created.spec).map(({ name }) => name)).not.toContain('decoder.head.weight')
})

it('renders an image prompt from start to end', async () => {
  const tokenizer = await Tokenizer.load(created.dir)
  const context = {
    family: created.family,
    vision: created.family.readVisionTokens(created.config),
    tokenizer,
    template: await ChatTemplate.load(created.dir),
    processor: new ImageProcessor(await readProcessorSettings(created.dir, created.family, created.spec.vision!)),
    maxPromptTokens: 64,
  }
  const question = { type: 'text', text: sentences[0]! } as const
  const row = {
    id: 'row',
    messages: [{ role: 'user' as const, content: [{ type: 'image' as const }, question] }],
    images: [{ path: fixture('images/real/hopper.jpg') }],
    answer: null,
    target: null,
    columns: {},
  }
  const prompt = await renderPrompt(row, context)
  expect(prompt.images[0]!.grid).toEqual([1, 6, 4])
  expect(prompt.imageRows.length).toBe(6)
  expect(tokenizer.decode(prompt.tokens)).toBe(
    `<|im_start|>user\n<|vision_start|>${'<|image_pad|>'.repeat(6)}<|vision_end|>${sentences[0]}<|im_end|>\n<|im_start|>assistant\n`,
  )
  expect(tokenizer.token(tokenizer.eosIds[0]!)).toBe('<|im_end|>')
  expect(Math.max(...prompt.tokens)).toBeLessThan(512)
})

it('has the files a saved model takes along', async () => {
  const names = ['generation_config.json', 'tokenizer.json', 'tokenizer_config.json', 'chat_template.jinja']
  expect(await listSideFiles(created.dir)).toEqual([...names, 'preprocessor_config.json'])
})

it('refuses sizes that do not fit together', async () => {
  const make = (change: object) => createModelFolder(join(dir, 'bad'), { model: { ...model, ...change }, sentences })
  await expect(make({ heads: 3 })).rejects.toThrow(/hidden: expected a multiple of heads 3/)
  await expect(make({ vocab: 200 })).rejects.toThrow(/vocab: expected at least/)
  await expect(make({ kvHeads: 3 })).rejects.toThrow(/num_key_value_heads: expected a divisor/)
})
