/**
 * R1-V rows: `{image, problem, solution}` (CLEVR, GEOQA, Visual-RFT, Curr-ReFT), and Video-R1's with `path`,
 * `data_type`, `problem_type` and `options`. Images go before the question, whose `<image>` marks are taken out; choices
 * are written below it as Video-R1 does. The solution keeps its `<answer>` tags: rewards read them.
 */
import { InputError } from '../../core/errors.ts'
import { asAnswer, asText, column, defineFormat, firstColumn, type RawRow, readImages } from './define.ts'
import { imagePlaceholder, withImages } from './messages.ts'

export const r1V = defineFormat({
  name: 'r1-v',
  columns: 'problem, solution, image',

  // A problem that marks its images is read with the images where the marks are.
  detect(row) {
    const problem = column(row, 'problem')
    const unmarked = typeof problem === 'string' && !problem.includes(imagePlaceholder)
    return unmarked && column(row, 'solution') !== undefined && column(row, 'answer') === undefined
  },

  read(row, where) {
    const kind = column(row, 'data_type')
    if (kind !== undefined && kind !== 'image' && kind !== 'text')
      throw new InputError(`${where} data_type`, '"image" or "text"', kind, 'Only text and images are read.')
    const imageColumn = firstColumn(row, ['images', 'image', ...(kind === 'image' ? ['path'] : [])]) ?? 'image'
    const images = readImages(column(row, imageColumn), `${where} ${imageColumn}`)
    const problem = asText(column(row, 'problem'), `${where} problem`).replaceAll(imagePlaceholder, '').trim()
    const message = { role: 'user', content: problem + choices(row, where) } as const
    return {
      messages: [withImages(message, images.length)],
      images,
      answer: asAnswer(column(row, 'solution')),
      target: null,
      used: ['problem', 'solution', imageColumn],
    }
  },
})

/** The options of a multiple-choice row, one a line. */
function choices(row: RawRow, where: string): string {
  const options = column(row, 'options')
  if (column(row, 'problem_type') !== 'multiple choice' || !Array.isArray(options)) return ''
  return options.map((option, k) => `\n${asText(option, `${where} options[${k}]`)}`).join('')
}
