/** Groups and stages for the tests of methods. */
import { createRandom } from '../../src/core/random.ts'
import type { Row } from '../../src/core/types.ts'
import type { Sample, SampleGroup, Stage } from '../../src/methods/index.ts'

export const row = (columns: Record<string, unknown> = {}, images = 0): Row => ({
  ...{ id: 'rows.jsonl:1', messages: [], answer: '1', target: null, columns },
  images: Array.from({ length: images }, () => ({ path: 'a.png' })),
})

export const sample = (change: Partial<Sample> & { accuracy?: number } = {}): Sample => {
  const { accuracy = 0, ...rest } = change
  return {
    text: 'x',
    tokens: 10,
    finish: 'eos',
    tag: 'clean',
    continued: false,
    reward: accuracy,
    parts: { accuracy },
    ...rest,
  }
}

export const group = (samples: Sample[], columns: Record<string, unknown> = {}): SampleGroup => ({
  row: row(columns),
  samples,
})

/** A group of the given accuracies. */
export const scored = (...accuracies: number[]) => group(accuracies.map((accuracy) => sample({ accuracy })))

export const stage = (change: Partial<Stage> = {}): Stage => ({
  ...{ step: 0, steps: 100, epoch: 0, maxNewTokens: 2048, groupSize: 8 },
  random: (...keys) => createRandom(7, ...keys),
  ...change,
})
