/**
 * MMMU (arXiv 2311.16502): the folder of MMMU/MMMU, one folder of parquet files per subject, validation split. `options`
 * and the answers of open questions are lists written as Python would print them.
 */
import { InputError } from '../../core/errors.ts'
import type { ContentPart, ImageRef } from '../../core/types.ts'
import { answersAgree } from '../../rewards/accuracy.ts'
import { chosenOption, finalAnswer, lastNumber } from './answers.ts'
import { defineBenchmark, type RawItem } from './define.ts'
import { imagesIn, textIn } from './read.ts'

export const mmmu = defineBenchmark({
  name: 'mmmu',
  about: 'College exams of thirty subjects, up to seven images a question (MMMU validation).',
  files: ['*/validation-*.parquet', 'data/validation-*.parquet', 'validation-*.parquet', 'validation.jsonl'],
  instruction: 'Think first, then put the final answer in \\boxed{}; for a question with options only the letter.',
  read(item, where) {
    const options = pythonList(item.options, `${where} options`)
    const listed = options.map((option, i) => `\n(${String.fromCharCode(65 + i)}) ${option}`).join('')
    const { content, images } = inline(textIn(item, 'question', where) + listed, item, where)
    return {
      ...{ content, images, answer: textIn(item, 'answer', where) },
      source: subjectOf(item),
      columns: { options },
    }
  },
  score({ completion, answer, columns }) {
    const options = columns.options as string[]
    const given = finalAnswer(completion)
    if (options.length > 0) return chosenOption(given, options) === answer!.trim().charCodeAt(0) - 65 ? 1 : 0
    return pythonList(answer, 'answer').some((truth) => matches(given, truth)) ? 1 : 0
  },
})

function matches(given: string, truth: string): boolean {
  if (answersAgree(given, truth)) return true
  const [a, b] = [lastNumber(given), /^-?[\d,.\s]+$/.test(truth) ? lastNumber(truth) : null]
  return a !== null && b !== null && a.toFixed(2) === b.toFixed(2)
}

/** `Accounting` of `validation_Accounting_1`. */
const subjectOf = ({ id }: RawItem) => /^[a-z]+_(.+)_\d+$/.exec(String(id ?? ''))?.[1] ?? 'all'

/** `<image 2>` stands where that image is looked at; an image may be looked at twice. */
function inline(text: string, item: RawItem, where: string): { content: ContentPart[]; images: ImageRef[] } {
  const content: ContentPart[] = []
  const images: ImageRef[] = []
  let at = 0
  const push = (part: string) => part !== '' && content.push({ type: 'text', text: part })
  for (const mark of text.matchAll(/<image (\d)>/g)) {
    const [image] = imagesIn(item, [`image_${mark[1]}`], where)
    if (!image) throw new InputError(`${where} image_${mark[1]}`, 'an image', 'none', 'The question refers to it')
    push(text.slice(at, mark.index))
    content.push({ type: 'image' })
    images.push(image)
    at = mark.index + mark[0].length
  }
  push(text.slice(at))
  return { content, images }
}

/** `['a', "b's"]` as Python prints a list of texts; a text that is no list is one entry. */
export function pythonList(value: unknown, where: string): string[] {
  if (Array.isArray(value)) return value.map(String)
  if (value === undefined || value === null) return []
  if (typeof value !== 'string') throw new InputError(where, 'a list', value)
  const text = value.trim()
  if (!text.startsWith('[')) return [text]
  const entries: string[] = []
  for (let i = 1; i < text.length; i++) {
    const quote = text[i]
    if (quote !== "'" && quote !== '"') continue
    let entry = ''
    for (i++; i < text.length && text[i] !== quote; i++) entry += text[i] === '\\' ? text[++i] : text[i]
    entries.push(entry)
  }
  if (entries.length > 0 || text === '[]') return entries
  return text
    .slice(1, -1)
    .split(',')
    .map((part) => part.trim())
}
