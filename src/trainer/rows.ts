/** The training rows of a step, as a curriculum accepts them. */

import { InputError } from '../core/errors.ts'
import type { Row } from '../core/types.ts'
import type { RowStream } from './run.ts'

/**
 * The next `count` rows that are accepted.
 *
 * @returns the rows, and how many were passed over or taken
 * @throws InputError when a whole epoch has none.
 */
export function takeAccepted(
  stream: RowStream,
  seen: number,
  count: number,
  accepts: (row: Row) => boolean,
): { rows: Row[]; taken: number } {
  const rows: Row[] = []
  let taken = 0
  while (rows.length < count) {
    const [row] = stream.take(seen + taken, 1)
    taken++
    if (accepts(row!)) rows.push(row!)
    else if (rows.length === 0 && taken >= 2 * stream.count)
      throw new InputError('methods', 'a curriculum that accepts some of the training rows', 'none', curriculumRemedy)
  }
  return { rows, taken }
}

const curriculumRemedy = 'Check the column and the values that it looks for'
