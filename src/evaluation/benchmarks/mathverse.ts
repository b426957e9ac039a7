/**
 * MathVerse (arXiv 2403.14624): testmini of AI4Math/MathVerse (parquet with images) or testmini.json with its images
 * folder. Counted by problem version, as published; text-only rows have no image.
 */
import { verifyMath } from '../../rewards/math/verify.ts'
import { chosenLetter, finalAnswer } from './answers.ts'
import { defineBenchmark } from './define.ts'
import { imagesIn, optionalText, textIn } from './read.ts'

export const mathverse = defineBenchmark({
  name: 'mathverse',
  about: 'The same problem with more and less of it in the figure (MathVerse testmini).',
  files: ['testmini.parquet', 'testmini.json', 'data/testmini-*.parquet'],
  instruction:
    'Reason step by step, then put the final answer in \\boxed{}; for a question with choices only the letter.',
  read(item, where) {
    const version = optionalText(item, 'problem_version') || 'all'
    const images = imagesIn(item, ['image'], where)
    const question = textIn(item, 'question', where) || 'Answer the question in the image.'
    return {
      content: [...images.map(() => ({ type: 'image' as const })), { type: 'text', text: question }],
      images,
      answer: textIn(item, 'answer', where),
      source: version,
      columns: { choice: item.question_type === 'multi-choice' },
    }
  },
  score({ completion, answer, columns }) {
    const given = finalAnswer(completion)
    if (columns.choice === true) return chosenLetter(given, 26) === answer!.trim().toUpperCase() ? 1 : 0
    return verifyMath(answer!, completion) || verifyMath(answer!, given) ? 1 : 0
  },
})
