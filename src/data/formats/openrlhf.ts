/**
 * OpenRLHF, lmm-r1 and MM-Eureka rows: the prompt is `input`, or `message`, a list of chat messages as JSON text whose
 * image blocks carry their images; the truth is `label` or `answer`. Images of a plain text go before it.
 */
import { InputError } from '../../core/errors.ts'
import type { ImageRef, Message } from '../../core/types.ts'
import { asAnswer, column, defineFormat, firstColumn, type RawRow, readImages } from './define.ts'
import { placeInFront, readConversation, requireUserTurn } from './messages.ts'

const promptColumns = ['message', 'input']
const answerColumns = ['label', 'answer', 'ground_truth']

export const openrlhf = defineFormat({
  name: 'openrlhf',
  columns: 'message or input, label or answer, images',

  detect: (row) =>
    typeof column(row, 'message') === 'string' ||
    (column(row, 'input') !== undefined && firstColumn(row, answerColumns) !== null),

  read(row, where) {
    const promptColumn = firstColumn(row, promptColumns) ?? 'input'
    const imageColumn = firstColumn(row, ['images', 'image']) ?? 'images'
    const answerColumn = firstColumn(row, answerColumns) ?? 'label'
    const given = readImages(column(row, imageColumn), `${where} ${imageColumn}`)
    const { messages, images } = readPrompt(row, promptColumn, given, where)
    return {
      messages,
      images,
      answer: asAnswer(column(row, answerColumn)),
      target: null,
      used: [promptColumn, imageColumn, answerColumn],
    }
  },
})

function readPrompt(
  row: RawRow,
  name: string,
  given: ImageRef[],
  where: string,
): { messages: Message[]; images: ImageRef[] } {
  const at = `${where} ${name}`
  const value = column(row, name)
  const list = typeof value === 'string' && /^\s*\[/.test(value) ? parsed(value, name === 'message', at) : value
  const turns = typeof list === 'string' ? [{ role: 'user', content: list }] : list
  const result = placeInFront(readConversation(turns, given, at, { placeholders: true }))
  requireUserTurn(result.messages, at)
  return result
}

/** Chat messages as JSON text. A plain `input` may begin with a bracket too, and stays a text then. */
function parsed(text: string, required: boolean, where: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    if (!required) return text
    throw new InputError(where, 'chat messages as JSON text', text, (cause as Error).message, { cause })
  }
}
