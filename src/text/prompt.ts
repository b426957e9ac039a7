/** Dataset row -> prompt: template, placeholder expansion, tokens, rotary positions, images. */

import { InputError } from '../core/errors.ts'
import type { Message, ProcessedImage, Prompt, Row } from '../core/types.ts'
import { type Family, type VisionTokens, visualTokens } from '../models/index.ts'
import type { DecodedImage } from '../vision/index.ts'
import type { ImageProcessor } from '../vision/processor.ts'
import type { ChatTemplate } from './chat_template.ts'
import type { Tokenizer } from './tokenizer.ts'

export interface PromptContext {
  family: Family
  /** `null` for text models. */
  vision: VisionTokens | null
  tokenizer: Tokenizer
  template: ChatTemplate
  /** `null` for text models. */
  processor: Pick<ImageProcessor, 'process'> | null
  /** Longer prompts are refused. */
  maxPromptTokens: number
}

/** What is done to the decoded image `index` of a row; the size stays. */
export type ChangeImage = (image: DecodedImage, index: number) => DecodedImage

export interface RenderOptions {
  change?: ChangeImage
  /** Ends with the opening of the assistant's turn; default true. */
  isOpen?: boolean
}

/**
 * Renders one row. Counts are checked before any image is opened.
 *
 * Throws InputError naming the row when image parts and images differ in number, a text (or the row's target) contains
 * the image or video placeholder itself, an image cannot be read, or the prompt is longer than `maxPromptTokens`.
 *
 * @example
 * const { tokens, positionIds, imageRows } = await renderPrompt(row, context)
 */
export async function renderPrompt(
  row: Row,
  context: PromptContext,
  { change, isOpen = true }: RenderOptions = {},
): Promise<Prompt> {
  const { family, vision, tokenizer, template, processor, maxPromptTokens } = context
  checkImages(row, context)
  const messages = vision ? row.messages : row.messages.map(flatten)
  const text = template.render(messages, row.id, { add_generation_prompt: isOpen })
  const ids = tokenizer.encode(text)
  const images = await Promise.all(
    row.images.map((ref, i) => {
      const where = row.images.length > 1 ? `${row.id} image ${i + 1}` : row.id
      return processor!.process(ref, where, change && ((image) => change(image, i)))
    }),
  )
  const tokens = vision ? expandImages(ids, images, vision, row.id) : Int32Array.from(ids)
  if (tokens.length > maxPromptTokens)
    throw new InputError(row.id, `a prompt of at most ${maxPromptTokens} tokens`, tokens.length, overlong)
  const visuals = images.map(({ grid }) => ({ kind: 'image' as const, grid }))
  const { positionIds, nextPosition, visualRows } = family.positions(tokens, visuals, vision)
  return { row, tokens, positionIds, images, imageRows: visualRows, nextPosition }
}

const overlong = 'Raise data.maxPromptTokens, lower data.maxPixels, or drop the row'

/** Image parts against images, and no placeholder typed by hand. */
function checkImages(row: Row, { vision, tokenizer }: PromptContext): void {
  const parts = row.messages.flatMap(({ content }) => (typeof content === 'string' ? [] : content))
  const count = parts.filter((part) => part.type === 'image').length
  if (count !== row.images.length)
    throw new InputError(row.id, `as many images as image parts in the messages (${count})`, row.images.length)
  if (count > 0 && !vision)
    throw new InputError(row.id, 'text only, since the model has no vision tower', `${count} images`)
  if (!vision) return
  const placeholders = [vision.image, vision.video].map((id) => tokenizer.token(id)).filter((t) => t !== undefined)
  for (const text of [...row.messages.flatMap(texts), row.target ?? '']) {
    const found = placeholders.find((placeholder) => text.includes(placeholder))
    if (found) throw new InputError(row.id, `text without the placeholder ${found}`, text, 'Escape or remove it')
  }
}

function texts({ content }: Message): string[] {
  if (typeof content === 'string') return [content]
  return content.flatMap((part) => (part.type === 'text' ? [part.text] : []))
}

/** Templates of text models expect plain strings. */
function flatten(message: Message): Message {
  return { ...message, content: texts(message).join('') }
}

/** Repeats the i-th image placeholder once per merged patch of image i. */
export function expandImages(
  ids: readonly number[],
  images: readonly Pick<ProcessedImage, 'grid'>[],
  vision: VisionTokens,
  where: string,
): Int32Array {
  const found = ids.filter((id) => id === vision.image).length
  if (found !== images.length)
    throw new InputError(where, `${images.length} image placeholders in the rendered prompt`, found, lostImage)
  let next = 0
  return Int32Array.from(
    ids.flatMap((id) =>
      id === vision.image ? new Array<number>(visualTokens(images[next++]!.grid, vision.merge)).fill(id) : [id],
    ),
  )
}

const lostImage = 'The chat template does not write one placeholder per image'

/** Ids that a policy must never sample: a placeholder without an image breaks the next forward pass. */
export function forbiddenTokens(vision: VisionTokens | null): Int32Array {
  return Int32Array.from(vision ? [vision.image, vision.video] : [])
}
