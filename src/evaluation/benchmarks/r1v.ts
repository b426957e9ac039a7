/**
 * GEOQA and the counting of SuperCLEVR as R1-V evaluates them: JSON lines of image_path, question, ground_truth; paths
 * start from the folder of the file or from one above it.
 */
import { verifyMath } from '../../rewards/math/verify.ts'
import { finalAnswer, lastNumber } from './answers.ts'
import { type Benchmark, defineBenchmark } from './define.ts'
import { imagesIn, textIn } from './read.ts'

const read: Benchmark['read'] = (item, where) => ({
  content: [{ type: 'image' }, { type: 'text', text: textIn(item, 'question', where) }],
  images: imagesIn(item, ['image_path', 'image'], where),
  answer: textIn(item, 'ground_truth' in item ? 'ground_truth' : 'answer', where),
  source: 'all',
  columns: {},
})

const instruction =
  'Output the thinking process in <think> </think> and final answer (number) in <answer> </answer> tags.'

export const geoqa = defineBenchmark({
  name: 'geoqa',
  about: 'Geometry with a figure (GEOQA test, as R1-V publishes it).',
  files: ['geoqa_test_prompts.jsonl', 'prompts/geoqa_test_prompts.jsonl', 'test.jsonl'],
  instruction,
  read,
  score: ({ completion, answer }) =>
    verifyMath(answer!, completion) || verifyMath(answer!, finalAnswer(completion)) ? 1 : 0,
})

export const clevrCount = defineBenchmark({
  name: 'clevr-count',
  about: 'Counting things in drawn scenes (SuperCLEVR, 200 questions, as R1-V publishes it).',
  files: [
    'superclevr_test200_counting_problems.jsonl',
    'prompts/superclevr_test200_counting_problems.jsonl',
    'test.jsonl',
  ],
  instruction,
  read,
  score: ({ completion, answer }) => (lastNumber(finalAnswer(completion)) === lastNumber(answer!) ? 1 : 0),
})
