/**
 * What a step has learned about its completions before the update: one column of tokens per completion, in group order.
 * Packs come and go (scoring packs everything, an update leaves out what has no gradient); these columns stay.
 */
import type { Group } from '../core/types.ts'
import type { HeadRows, Pack, ScoreOutput } from '../native/types.ts'
import { packGroups } from '../rollout/pack.ts'

/** Everything about packing that does not change within a step. */
export interface PackSettings {
  tokenBudget: number
  temperature: number
  merge: number
}

export interface Experience {
  groups: readonly Group[]
  /** (B) tokens that have a loss: all of the completion, or none. */
  lengths: number[]
  /** (B) columns (tokens of the completion). */
  advantages: Float32Array[]
  /** Log-probs of the policy before the first update; the sampler's own where it is this engine. */
  oldLogp: Float32Array[]
  refLogp: Float32Array[] | null
  /** Weights against a sampler whose probabilities differ. */
  importance: Float32Array[] | null
  /** Of the critic. */
  values: Float32Array[] | null
  returns: Float32Array[] | null
  /** Some completions were sampled by an earlier policy. */
  offPolicy?: boolean
}

type Score = (pack: Pack, head: HeadRows) => Promise<Float32Array>

/** One column per completion of whatever `score` says of each of its tokens. */
export async function scoreCompletions(
  groups: readonly Group[],
  settings: PackSettings,
  score: Score,
): Promise<Float32Array[]> {
  const first: number[] = []
  let rows = 0
  for (const { completions } of groups) {
    first.push(rows)
    rows += completions.length
  }
  const out = new Array<Float32Array>(rows)
  const packed = groups.map(({ prompt, completions }) => ({ prompt, completions: completions.map((c) => c.tokens) }))
  for (const { pack, head, completions } of packGroups(packed, settings)) {
    const column = await score(pack, head)
    for (const { group, completion, begin, length } of completions)
      out[first[group]! + completion] = column.slice(begin, begin + length)
  }
  return out
}

export const logpOf = ({ logp }: ScoreOutput) => logp

/** All columns behind one another, and where each begins: what the native kernels take. */
export function flatten(columns: readonly Float32Array[]): { flat: Float32Array; sequences: Int32Array } {
  const sequences = new Int32Array(columns.length + 1)
  for (const [b, column] of columns.entries()) sequences[b + 1] = sequences[b]! + column.length
  const flat = new Float32Array(sequences[columns.length]!)
  for (const [b, column] of columns.entries()) flat.set(column, sequences[b]!)
  return { flat, sequences }
}

/** The inverse of `flatten`. */
export const unflatten = (flat: Float32Array, sequences: Int32Array): Float32Array[] =>
  Array.from({ length: sequences.length - 1 }, (_, b) => flat.slice(sequences[b]!, sequences[b + 1]!))
