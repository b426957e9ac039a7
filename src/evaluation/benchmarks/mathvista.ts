/**
 * MathVista (arXiv 2310.02255): the folder of AI4Math/MathVista (parquet with `decoded_image`), or annot_testmini.json with
 * its images. Scored as its own script: options by letter or closest text, integers cut, floats rounded to `precision`.
 */
import { chosenOption, finalAnswer, lastNumber } from './answers.ts'
import { defineBenchmark } from './define.ts'
import { imagesIn, optionalText, textIn } from './read.ts'

export const mathvista = defineBenchmark({
  name: 'mathvista',
  about: 'Mathematics in pictures, options and free answers (MathVista testmini).',
  files: ['data/testmini-*.parquet', 'testmini-*.parquet', 'annot_testmini.json', 'testmini.json'],
  instruction: 'Think step by step, then put the final answer in \\boxed{}.',
  read(item, where) {
    const choices = Array.isArray(item.choices) ? item.choices.map(String) : []
    const options = choices.map((choice, i) => `\n(${letter(i)}) ${choice}`).join('')
    const unit = optionalText(item, 'unit')
    const hint = choices.length > 0 ? `\nChoices:${options}` : unit === '' ? '' : `\n(Unit: ${unit})`
    const { task, source } = (item.metadata ?? {}) as { task?: unknown; source?: unknown }
    return {
      content: [{ type: 'image' }, { type: 'text', text: textIn(item, 'question', where) + hint }],
      images: imagesIn(item, ['decoded_image', 'image'], where),
      answer: textIn(item, 'answer', where),
      source: String(task ?? source ?? 'all'),
      columns: { choices, answerType: item.answer_type, precision: Number(item.precision ?? 0) },
    }
  },
  score({ completion, answer, columns }) {
    const { choices, answerType, precision } = columns as { choices: string[]; answerType: unknown; precision: number }
    const given = finalAnswer(completion)
    if (choices.length > 0) return choices[chosenOption(given, choices)] === answer ? 1 : 0
    const [value, truth] = [lastNumber(given), lastNumber(answer!)]
    if (answerType === 'integer' && value !== null && truth !== null)
      return Math.trunc(value) === Math.trunc(truth) ? 1 : 0
    if (answerType === 'float' && value !== null && truth !== null) {
      const places = Math.min(10, Math.max(0, Math.round(precision || 0)))
      return value.toFixed(places) === truth.toFixed(places) ? 1 : 0
    }
    const bare = (text: string) => text.toLowerCase().replaceAll(/[\s'"[\]]/g, '')
    return bare(given) === bare(answer!) ? 1 : 0
  },
})

const letter = (i: number) => String.fromCharCode(65 + i)
