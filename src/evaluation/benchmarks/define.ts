/** What a benchmark is: where its rows are in the folder it is published as, the prompt, and what counts as right. */

import type { ContentPart, ImageRef, Row } from '../../core/types.ts'
import type { RewardInput } from '../../rewards/define.ts'

/** A record of a benchmark's file: any JSON object or parquet row. */
export type RawItem = Readonly<Record<string, unknown>>

/** What a benchmark makes of a record. */
export interface BenchmarkItem {
  /** Text and images in order, without an instruction how to answer. */
  content: ContentPart[]
  images: ImageRef[]
  answer: string
  /** What the row is counted under. */
  source: string
  /** What `score` needs besides the answer. */
  columns: Readonly<Record<string, unknown>>
}

export interface Benchmark {
  readonly name: string
  /** One sentence: what it asks, and the folder or files it is read from. */
  readonly about: string
  /** Files to look for, relative to its folder; the first pattern with a match is read, `*` stands for any text. */
  readonly files: readonly string[]
  /** How to answer, put behind the question where the run has no template of its own. */
  readonly instruction: string
  /** @returns `null` for records that are not asked. @throws InputError at `where` for what it cannot use. */
  read(item: RawItem, where: string): BenchmarkItem | null
  /** 1 = right, 0 = wrong. */
  score(input: RewardInput): number
}

export const defineBenchmark = (benchmark: Benchmark): Benchmark => Object.freeze(benchmark)

/** A row of ours. */
export function toRow(item: BenchmarkItem, id: string, instruction: string): Row {
  const content: ContentPart[] = [...item.content, { type: 'text', text: instruction === '' ? '' : `\n${instruction}` }]
  const { images, answer, source, columns } = item
  return { id, messages: [{ role: 'user', content }], images, answer, target: null, columns: { ...columns, source } }
}
