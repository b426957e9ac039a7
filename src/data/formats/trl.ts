/**
 * TRL rows: `prompt` is a text or a list of messages; images come in `image` / `images` or inside content blocks.
 *
 * When no message has image blocks, the images go before the text of the first user message, as TRL does it. An image
 * block that carries its image keeps it; the others take the row's images in order.
 */
import { InputError } from '../../core/errors.ts'
import type { ContentPart, ImageRef, Message, Role } from '../../core/types.ts'
import { asAnswer, asText, column, defineFormat, firstColumn, type RawRow, readImage, readImages } from './define.ts'

const roles = new Set<unknown>(['system', 'user', 'assistant', 'tool'] satisfies Role[])

export const trl = defineFormat({
  name: 'trl',
  columns: 'prompt, solution or answer, images',

  detect: (row) => typeof column(row, 'prompt') === 'string' || Array.isArray(column(row, 'prompt')),

  read(row, where) {
    const imageColumn = firstColumn(row, ['images', 'image']) ?? 'images'
    const answerColumn = firstColumn(row, ['solution', 'answer', 'ground_truth']) ?? 'solution'
    const targetColumn = firstColumn(row, ['target', 'completion']) ?? 'target'
    const given = readImages(column(row, imageColumn), `${where} ${imageColumn}`)
    const { messages, images } = readPrompt(column(row, 'prompt'), given, where)
    return {
      messages,
      images,
      answer: asAnswer(column(row, answerColumn)),
      target: readTarget(row, targetColumn, `${where} ${targetColumn}`),
      used: ['prompt', answerColumn, imageColumn, targetColumn],
    }
  },
})

function readPrompt(prompt: unknown, given: ImageRef[], where: string): { messages: Message[]; images: ImageRef[] } {
  if (typeof prompt === 'string') return { messages: [firstUser(prompt, given.length)], images: given }
  if (!Array.isArray(prompt) || prompt.length === 0)
    throw new InputError(`${where} prompt`, 'a text or a list of messages', prompt)
  const queue = [...given]
  const images: ImageRef[] = []
  const takeImage = (payload: unknown, at: string) => {
    const image = payload === undefined || payload === null ? queue.shift() : readImage(payload, at)
    if (image) images.push(image)
  }
  const messages = prompt.map((message, k) => readMessage(message, `${where} prompt[${k}]`, takeImage))
  if (messages.at(-1)!.role === 'assistant')
    throw new InputError(
      `${where} prompt`,
      'a prompt that ends with a user turn',
      'one that ends with an assistant turn',
    )
  const placed = messages.some(({ content }) => typeof content !== 'string' && content.some(isImage))
  const first = messages.findIndex(({ role }) => role === 'user')
  if (!placed && queue.length > 0 && first >= 0) messages[first] = withImages(messages[first]!, queue.length)
  return { messages, images: [...images, ...queue] }
}

const isImage = ({ type }: ContentPart) => type === 'image'
const blocks = (count: number): ContentPart[] => Array.from({ length: count }, () => ({ type: 'image' }))

function firstUser(text: string, images: number): Message {
  return withImages({ role: 'user', content: text }, images)
}

function withImages({ role, content }: Message, count: number): Message {
  if (count === 0) return { role, content }
  const parts: ContentPart[] = typeof content === 'string' ? [{ type: 'text', text: content }] : content
  return { role, content: [...blocks(count), ...parts] }
}

function readMessage(value: unknown, where: string, takeImage: (payload: unknown, at: string) => void): Message {
  const { role, content } = (value ?? {}) as { role?: unknown; content?: unknown }
  if (!roles.has(role)) throw new InputError(`${where} role`, 'system, user, assistant or tool', role)
  if (typeof content === 'string') return { role: role as Role, content }
  if (!Array.isArray(content)) throw new InputError(`${where} content`, 'a text or a list of blocks', content)
  const parts = content.map((block, k) => readBlock(block, `${where} content[${k}]`, takeImage))
  return { role: role as Role, content: parts }
}

function readBlock(block: unknown, where: string, takeImage: (payload: unknown, at: string) => void): ContentPart {
  const { type, text, image } = (block ?? {}) as { type?: unknown; text?: unknown; image?: unknown }
  if (type === 'text') return { type, text: asText(text, `${where} text`) }
  if (type !== 'image') throw new InputError(`${where} type`, '"text" or "image"', type)
  takeImage(image, `${where} image`)
  return { type }
}

/** A text, or a list of messages whose last one is the assistant's. */
function readTarget(row: RawRow, name: string, where: string): string | null {
  const value = column(row, name)
  if (value === undefined) return null
  if (!Array.isArray(value)) return asText(value, where)
  const { role, content } = readMessage(value.at(-1), where, () => {})
  if (role !== 'assistant') throw new InputError(where, 'an assistant message', role)
  return typeof content === 'string' ? content : content.map((part) => (part.type === 'text' ? part.text : '')).join('')
}
