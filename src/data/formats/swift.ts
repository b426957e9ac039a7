/**
 * ms-swift rows: `{messages, images, solution, objects}`. `<image>` marks images in any message; images without a mark
 * go before the first user message. A last assistant turn is no part of the prompt: it is the target, and the answer
 * when the row has no `solution`. `<ref-object>` and `<bbox>` take the names and boxes of `objects` as they are.
 */
import { InputError } from '../../core/errors.ts'
import type { Message } from '../../core/types.ts'
import { asAnswer, column, defineFormat, firstColumn, type RawRow, readImages } from './define.ts'
import { placeInFront, readConversation, requireUserTurn, splitLastTurn } from './messages.ts'

export const swift = defineFormat({
  name: 'swift',
  columns: 'messages, images, solution',

  detect: (row) => Array.isArray(column(row, 'messages')),

  read(row, where) {
    const imageColumn = firstColumn(row, ['images', 'image']) ?? 'images'
    const answerColumn = firstColumn(row, ['solution', 'answer', 'ground_truth']) ?? 'solution'
    for (const name of ['videos', 'video', 'audios', 'audio']) refuse(row, name, where)
    const given = readImages(column(row, imageColumn), `${where} ${imageColumn}`)
    const at = `${where} messages`
    const conversation = readConversation(column(row, 'messages'), given, at, { placeholders: true })
    const { messages, images } = placeInFront(conversation)
    const { prompt, last } = splitLastTurn(withObjects(messages, row, where))
    requireUserTurn(prompt, at)
    const answer = asAnswer(column(row, answerColumn)) ?? last
    return { messages: prompt, images, answer, target: last, used: ['messages', imageColumn, answerColumn] }
  },
})

function refuse(row: RawRow, name: string, where: string): void {
  const value = column(row, name)
  if (value === undefined || (Array.isArray(value) && value.length === 0)) return
  throw new InputError(`${where} ${name}`, 'no video or audio', value, 'Only text and images are read.')
}

/** Fills `<ref-object>` and `<bbox>` in order of appearance. */
function withObjects(messages: readonly Message[], row: RawRow, where: string): Message[] {
  const { ref, bbox } = (column(row, 'objects') ?? {}) as { ref?: unknown; bbox?: unknown }
  const names = Array.isArray(ref) ? [...ref] : []
  const boxes = Array.isArray(bbox) ? [...bbox] : []
  const next = (list: unknown[], mark: string) => {
    if (list.length > 0) return list.shift()
    throw new InputError(`${where} objects`, `one entry for each ${mark}`, 'fewer', 'See objects.ref and objects.bbox.')
  }
  const fill = (text: string) =>
    text
      .replaceAll('<ref-object>', () => String(next(names, '<ref-object>')))
      .replaceAll('<bbox>', () => JSON.stringify(next(boxes, '<bbox>')))
  return messages.map(({ role, content }) => ({
    role,
    content:
      typeof content === 'string'
        ? fill(content)
        : content.map((part) => (part.type === 'text' ? { ...part, text: fill(part.text) } : part)),
  }))
}
