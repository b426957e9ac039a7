/**
 * Curriculum of task types (Curr-ReFT, Deng et al. 2025, arXiv 2503.07065): judgement first, then multiple choice, then
 * open questions, each for its share of the run. Rows say their type in a column.
 */
import { text, texts } from '../core/parameters.ts'
import { defineMethod } from './define.ts'

/** Which of `count` stages a step belongs to. `shares` are parts of the run; missing ones are equal. */
export function stageOf(step: number, steps: number, shares: readonly number[]): number {
  const total = shares.reduce((a, b) => a + b, 0)
  let end = 0
  for (const [i, share] of shares.entries()) {
    end += (share / total) * steps
    if (step < end) return i
  }
  return shares.length - 1
}

export const curriculumStages = defineMethod({
  name: 'curriculum_stages',
  about: 'Asks one type of question after the other, easy types first.',
  source: 'Curr-ReFT, Deng et al. 2025, arXiv 2503.07065',
  parameters: {
    column: text('type', 'Column with the type of a row.'),
    stages: texts(['judge', 'choice', 'open'], 'Types in order; several in one stage are written a+b.'),
    shares: texts([], 'Parts of the run, one per stage, e.g. 1, 1, 2. Empty = equal.'),
  },
  create: ({ column, stages, shares }) => {
    const parts = stages.map((_, i) => Number(shares[i] ?? 1) || 1)
    return {
      curriculum: {
        accepts(row, { step, steps }) {
          const types = stages[stageOf(step, steps, parts)]!.split('+')
          return types.includes(String(row.columns[column] ?? ''))
        },
      },
    }
  },
})
