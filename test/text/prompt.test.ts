import { describe, expect, it } from 'vitest'
import { openConfig } from '../../src/checkpoint/hf_folder.ts'
import { InputError } from '../../src/core/errors.ts'
import type { ContentPart, Message, Row } from '../../src/core/types.ts'
import { ChatTemplate } from '../../src/text/chat_template.ts'
import { forbiddenTokens, type PromptContext, renderPrompt } from '../../src/text/prompt.ts'
import { Tokenizer } from '../../src/text/tokenizer.ts'
import { truncatePrompt } from '../../src/text/truncate.ts'
import { ImageProcessor } from '../../src/vision/processor.ts'
import { readProcessorSettings } from '../../src/vision/processor_config.ts'
import { fixture, fixtureJson } from '../harness/fixtures.ts'

interface Sample {
  messages: { role: Message['role']; content: string | (ContentPart & { image?: string })[] }[]
  images?: string[]
  prompt_ids: number[]
  completion: string
  completion_ids: number[]
  first_generated_position?: number
  image_grid_thw?: number[][]
}

async function open(model: string): Promise<PromptContext> {
  const dir = fixture(`models/${model}`)
  const { family, spec, config } = await openConfig(dir)
  const tokenizer = await Tokenizer.load(dir)
  return {
    family,
    vision: family.readVisionTokens(config),
    tokenizer,
    template: await ChatTemplate.load(dir, tokenizer.namedTokens),
    processor: spec.vision ? new ImageProcessor(await readProcessorSettings(dir, family, spec.vision)) : null,
    maxPromptTokens: 4096,
  }
}

const [text, vl] = await Promise.all([open('qwen2'), open('qwen2_5_vl')])
const vision = vl.vision!

function toRow({ messages, images = [] }: Pick<Sample, 'messages' | 'images'>): Row {
  const refs = images.map((name) => ({ path: fixture(`models/media/${name}`) }))
  return { id: 'golden.jsonl:1', messages, images: refs, answer: null, target: null, columns: {} }
}

describe('golden prompts', () => {
  it.each([
    ['qwen2', 'a_text'],
    ['qwen2_5_vl', 'a_text'],
    ['qwen2_5_vl', 'b_image'],
    ['qwen2_5_vl', 'c_two_images'],
    ['qwen2_5_vl', 'd_image_multiturn'],
  ])('%s %s', async (model, name) => {
    const context = model === 'qwen2' ? text : vl
    const { samples } = fixtureJson<{ samples: Sample[] }>(`models/${model}/vectors/${name}.json`)
    for (const sample of samples) {
      const prompt = await renderPrompt(toRow(sample), context)
      expect(Array.from(prompt.tokens)).toEqual(sample.prompt_ids)
      expect(Array.from(context.tokenizer.encodeCompletion(sample.completion))).toEqual(sample.completion_ids)
      expect(prompt.nextPosition).toBe(sample.first_generated_position ?? sample.prompt_ids.length)
      expect(prompt.images.map(({ grid }) => grid)).toEqual(sample.image_grid_thw ?? [])
      const rows = sample.prompt_ids.flatMap((id, row) => (id === vision.image ? [row] : []))
      if (context === vl) expect(Array.from(prompt.imageRows)).toEqual(rows)
      expect(prompt.positionIds.length).toBe(3 * prompt.tokens.length)
    }
  })
})

describe('bad rows', () => {
  const image = { type: 'image' } as const
  const say = (value: string) => ({ type: 'text', text: value }) as const
  const row = (content: string | ContentPart[], images = ['scene.png']) =>
    toRow({ messages: [{ role: 'user', content }], images })

  it.each<[string, Row, PromptContext, RegExp]>([
    ['too few images', row([image, image, say('x')]), vl, /image parts in the messages \(2\) but received 1/],
    ['too many images', row('x'), vl, /image parts in the messages \(0\) but received 1/],
    ['an image for a text model', row([image, say('x')]), text, /text only.*but received "1 images"/],
    ['a placeholder in the text', row('a <|image_pad|> b', []), vl, /text without the placeholder <\|image_pad\|>/],
    ['a placeholder beside an image', row([image, say('<|image_pad|>')]), vl, /without the placeholder/],
    ['a video placeholder', row([image, say('<|video_pad|>')]), vl, /without the placeholder <\|video_pad\|>/],
    [
      'overlong',
      row([image, say('x')]),
      { ...vl, maxPromptTokens: 40 },
      /a prompt of at most 40 tokens but received 56/,
    ],
    ['a missing image', row([image], ['none.png']), vl, /none.png\): expected an existing image file/],
  ])('%s', async (_, bad, context, message) => {
    const promise = renderPrompt(bad, context)
    await expect(promise).rejects.toThrow(InputError)
    await expect(promise).rejects.toThrow(message)
    await expect(promise).rejects.toThrow(/^golden.jsonl:1/)
  })

  it('a template that loses the image', async () => {
    const template = new ChatTemplate('{{ messages[0].role }}')
    await expect(renderPrompt(row([image]), { ...vl, template })).rejects.toThrow(
      /1 image placeholders in the rendered prompt but received 0/,
    )
  })

  it('names the image when there are several', async () => {
    const bad = row([image, image], ['scene.png', 'none.png'])
    await expect(renderPrompt(bad, vl)).rejects.toThrow(/^golden.jsonl:1 image 2/)
  })
})

it('joins text parts for templates that expect strings', async () => {
  const parts: ContentPart[] = [
    { type: 'text', text: 'a' },
    { type: 'text', text: 'b' },
  ]
  const [split, whole] = await Promise.all(
    [parts, 'ab'].map((content) => renderPrompt(toRow({ messages: [{ role: 'user', content }] }), text)),
  )
  expect(split!.tokens).toEqual(whole!.tokens)
})

it('forbids sampling the placeholders', () => {
  expect(Array.from(forbiddenTokens(vision))).toEqual([1756, 1757])
  expect(forbiddenTokens(null).length).toBe(0)
})

describe('truncatePrompt', () => {
  const { start, end, image } = vision
  const block = [start, image, image, image, image, end]
  const tokens = Int32Array.from([1, 2, ...block, 3, 4, ...block, 5, 6])

  it('drops the oldest text and leaves images whole', () => {
    const cut = (limit: number) => Array.from(truncatePrompt(tokens, limit, vision, 'row'))
    expect(cut(18)).toEqual(Array.from(tokens))
    expect(cut(17)).toEqual([2, ...block, 3, 4, ...block, 5, 6])
    expect(cut(15)).toEqual([...block, 4, ...block, 5, 6])
    expect(cut(12)).toEqual([...block, ...block])
  })

  it('refuses to cut an image', () =>
    expect(() => truncatePrompt(tokens, 11, vision, 'row 3')).toThrow(/^row 3: expected images of at most 11 tokens/))

  it('keeps the end of a text prompt', () =>
    expect(Array.from(truncatePrompt(Int32Array.of(1, 2, 3), 2, null, 'row'))).toEqual([2, 3]))
})
