/**
 * TRL rows: `prompt` is a text or a list of messages; images come in `image` / `images` or inside content blocks.
 *
 * When no message has image blocks, the images go before the text of the first user message, as TRL does it. An image
 * block that carries its image keeps it; the others take the row's images in order.
 */
import { InputError } from '../../core/errors.ts'
import type { ImageRef, Message } from '../../core/types.ts'
import { asAnswer, asText, column, defineFormat, firstColumn, type RawRow, readImages } from './define.ts'
import { placeInFront, readConversation, readMessage, splitLastTurn, withImages } from './messages.ts'

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
  if (typeof prompt === 'string')
    return { messages: [withImages({ role: 'user', content: prompt }, given.length)], images: given }
  if (!Array.isArray(prompt) || prompt.length === 0)
    throw new InputError(`${where} prompt`, 'a text or a list of messages', prompt)
  const conversation = readConversation(prompt, given, `${where} prompt`, { placeholders: false })
  if (conversation.messages.at(-1)!.role === 'assistant')
    throw new InputError(
      `${where} prompt`,
      'a prompt that ends with a user turn',
      'one that ends with an assistant turn',
    )
  const placed = conversation.messages.some(
    ({ content }) => typeof content !== 'string' && content.some(({ type }) => type === 'image'),
  )
  return placed ? conversation : placeInFront(conversation)
}

/** A text, or a list of messages whose last one is the assistant's. */
function readTarget(row: RawRow, name: string, where: string): string | null {
  const value = column(row, name)
  if (value === undefined) return null
  if (!Array.isArray(value)) return asText(value, where)
  const message = readMessage(value.at(-1), where, () => {}, false)
  if (message.role !== 'assistant') throw new InputError(where, 'an assistant message', message.role)
  return splitLastTurn([message]).last
}
