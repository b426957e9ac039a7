/**
 * MATH-Vision (arXiv 2402.14804): the folder of MathLLMs/MathVision, parquet with `decoded_image`, or the JSON lines with
 * an images folder. Options are answered by letter, the rest compared as mathematics.
 */
import type { ContentPart } from '../../core/types.ts'
import { verifyMath } from '../../rewards/math/verify.ts'
import { chosenLetter, finalAnswer } from './answers.ts'
import { defineBenchmark } from './define.ts'
import { imagesIn, textIn } from './read.ts'

export const mathvision = defineBenchmark({
  name: 'mathvision',
  about: 'Competition mathematics with figures (MATH-Vision test, else testmini).',
  files: ['data/test-*.parquet', 'test-*.parquet', 'test.jsonl', 'data/testmini-*.parquet', 'testmini.jsonl'],
  instruction:
    'Solve the problem step by step and put the answer in one \\boxed{}. For a question with options, put only the letter there.',
  read(item, where) {
    const options = Array.isArray(item.options) ? item.options.map(String) : []
    const images = imagesIn(item, ['decoded_image', 'image'], where)
    const listed = options.map((option, i) => `\n(${String.fromCharCode(65 + i)}) ${option}`).join('')
    return {
      content: withImages(textIn(item, 'question', where) + listed, images.length),
      images,
      answer: textIn(item, 'answer', where),
      source: String(item.subject ?? 'all'),
      columns: { options: options.length },
    }
  },
  score({ completion, answer, columns }) {
    const options = columns.options as number
    const given = finalAnswer(completion)
    if (options > 0) return chosenLetter(given, options) === answer!.trim().toUpperCase() ? 1 : 0
    return verifyMath(answer!, completion) || verifyMath(answer!, given) ? 1 : 0
  },
})

/** `<image1>` marks where its only picture stands; without a mark it comes first. */
function withImages(text: string, images: number): ContentPart[] {
  if (images === 0) return [{ type: 'text', text }]
  const at = text.indexOf('<image1>')
  const bare = (part: string) => part.replaceAll(/<image\d>/g, '')
  if (at < 0) return [{ type: 'image' }, { type: 'text', text }]
  const [before, after] = [bare(text.slice(0, at)), bare(text.slice(at))]
  return [
    ...(before === '' ? [] : [{ type: 'text' as const, text: before }]),
    { type: 'image' },
    { type: 'text', text: after },
  ]
}
