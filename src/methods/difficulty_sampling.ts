/**
 * Difficulty sampling: rows whose recorded accuracy lies in a window, which moves from easy to hard over the run. The
 * accuracy comes from a column, as `rft filter` writes it.
 */
import { decimal, text } from '../core/parameters.ts'
import { defineMethod } from './define.ts'

/** Limits of accuracy at a point of the run; linear between the two ends. */
export function accuracyWindow(share: number, start: number, end: number, width: number): [number, number] {
  const middle = start + (end - start) * share
  return [middle - width / 2, middle + width / 2]
}

export const difficultySampling = defineMethod({
  name: 'difficulty_sampling',
  about: 'Asks questions of a recorded accuracy, easy ones first.',
  source: 'Online difficulty filters; Kimi k1.5 curriculum sampling',
  parameters: {
    column: text('accuracy', 'Column with the accuracy of earlier samples, 0 to 1.'),
    start: decimal(0.75, 'Middle of the window at the start.', 0, 1),
    end: decimal(0.25, 'Middle of the window at the end.', 0, 1),
    width: decimal(0.6, 'Width of the window.', 0, 2),
  },
  create: ({ column, start, end, width }) => ({
    curriculum: {
      accepts(row, { step, steps }) {
        const accuracy = Number(row.columns[column])
        if (!Number.isFinite(accuracy)) return true
        const [low, high] = accuracyWindow(step / steps, start, end, width)
        return accuracy >= low && accuracy <= high
      },
    },
  }),
})
