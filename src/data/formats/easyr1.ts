/**
 * EasyR1 rows: `{problem, answer, images}`, with `<image>` in the problem where an image goes. R1-V style rows
 * (`{problem, solution, image}` without placeholders) read too: their images go before the text.
 */
import type { ContentPart } from '../../core/types.ts'
import { asAnswer, asText, column, defineFormat, firstColumn, readImages } from './define.ts'

const placeholder = '<image>'

export const easyr1 = defineFormat({
  name: 'easyr1',
  columns: 'problem, answer or solution, images',

  detect: (row) => typeof column(row, 'problem') === 'string',

  read(row, where) {
    const problem = asText(column(row, 'problem'), `${where} problem`)
    const imageColumn = firstColumn(row, ['images', 'image']) ?? 'images'
    const answerColumn = firstColumn(row, ['answer', 'solution']) ?? 'answer'
    const images = readImages(column(row, imageColumn), `${where} ${imageColumn}`)
    const target = column(row, 'target')
    return {
      messages: [{ role: 'user', content: content(problem, images.length) }],
      images,
      answer: asAnswer(column(row, answerColumn)),
      target: target === undefined ? null : asText(target, `${where} target`),
      used: ['problem', answerColumn, imageColumn, 'target'],
    }
  },
})

function content(problem: string, images: number): string | ContentPart[] {
  const pieces = problem.split(placeholder)
  if (pieces.length === 1 && images === 0) return problem
  const leading: ContentPart[] = pieces.length === 1 ? Array.from({ length: images }, () => ({ type: 'image' })) : []
  const inline = pieces.flatMap((text, k): ContentPart[] => [
    ...(k > 0 ? [{ type: 'image' } as const] : []),
    ...(text === '' ? [] : [{ type: 'text', text } as const]),
  ])
  return [...leading, ...inline]
}
