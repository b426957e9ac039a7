/**
 * VLM-R1 rows: `{image, conversations: [{from: "human", value}, {from: "gpt", value}]}`. `<image>` is taken out of the
 * question and all images go before it; the answer is the gpt turn without its `<answer>` tags. Boxes in it are in
 * pixels of the original image.
 */
import { InputError } from '../../core/errors.ts'
import { column, defineFormat, firstColumn, readImages } from './define.ts'
import { imagePlaceholder, readConversation, splitLastTurn, withImages } from './messages.ts'

export const vlmR1 = defineFormat({
  name: 'vlm-r1',
  columns: 'conversations, image',

  detect: (row) => Array.isArray(column(row, 'conversations')),

  read(row, where) {
    const imageColumn = firstColumn(row, ['image', 'images']) ?? 'image'
    const images = readImages(column(row, imageColumn), `${where} ${imageColumn}`)
    const at = `${where} conversations`
    const { messages } = readConversation(column(row, 'conversations'), [], at, { placeholders: false })
    const { prompt, last } = splitLastTurn(messages)
    const first = prompt.findIndex(({ role }) => role === 'user')
    if (first < 0 || prompt.at(-1)!.role !== 'user')
      throw new InputError(at, 'a human turn before the answer', 'none', 'The last human turn is the question.')
    const plain = prompt.map(({ role, content }) => ({
      role,
      content: typeof content === 'string' ? content.replaceAll(imagePlaceholder, '').trim() : content,
    }))
    plain[first] = withImages(plain[first]!, images.length)
    return {
      messages: plain,
      images,
      answer: last === null ? null : untagged(last),
      target: null,
      used: ['conversations', imageColumn],
    }
  },
})

function untagged(text: string): string {
  return text.replaceAll('<answer>', '').replaceAll('</answer>', '').trim()
}
