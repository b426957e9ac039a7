/** Judged groups -> mini-batches (one optimizer update each) of micro-batches (one forward each) with their columns. */

import { type Aggregation, aggregationWeights } from '../algorithms/index.ts'
import type { Group } from '../core/types.ts'
import { gather, type MicroBatch, type PackedCompletion, packGroups, spread } from '../rollout/pack.ts'

export interface BatchOptions {
  miniBatches: number
  aggregation: Aggregation
  /** Length that `fixed-length` divides by: the longest completion allowed. */
  maxNewTokens: number
  /** Leave completions cut at the length limit out of the loss. */
  maskTruncated: boolean
  /** With a KL term a completion of advantage 0 still has a gradient; without one it is left out of the packs. */
  klCoef: number
  tokenBudget: number
  temperature: number
  merge: number
}

/** A micro-batch with one value per head row. */
export interface PolicyBatch extends MicroBatch {
  /** (N) */
  advantages: Float32Array
  /** (N) aggregation weight x loss mask. */
  weights: Float32Array
  /** (N) the sampler's log-probs. */
  sampledLogp: Float32Array
}

export interface MiniBatch {
  batches: PolicyBatch[]
  /** Trained tokens, those of completions without a gradient included. */
  tokens: number
}

/**
 * Deals the groups out to mini-batches, in order. Weights are those of the whole mini-batch, so the split into
 * micro-batches does not change the gradient.
 *
 * @param advantages (groups x G) in group order.
 */
export function buildMiniBatches(
  groups: readonly Group[],
  advantages: ArrayLike<number>,
  options: BatchOptions,
): MiniBatch[] {
  const offsets: number[] = []
  let rows = 0
  for (const group of groups) {
    offsets.push(rows)
    rows += group.completions.length
  }
  return Array.from({ length: options.miniBatches }, (_, m) => {
    const begin = Math.floor((m * groups.length) / options.miniBatches)
    const end = Math.floor(((m + 1) * groups.length) / options.miniBatches)
    const first = offsets[begin] ?? rows
    const last = offsets[end] ?? rows
    return buildMiniBatch(groups.slice(begin, end), Array.from(advantages).slice(first, last), options)
  })
}

function buildMiniBatch(groups: readonly Group[], advantages: readonly number[], options: BatchOptions): MiniBatch {
  const completions = groups.flatMap((g) => g.completions)
  const lengths = completions.map((c) => (options.maskTruncated && c.finish === 'length' ? 0 : c.tokens.length))
  const weights = aggregationWeights(lengths, options.aggregation, options.maxNewTokens)
  const contributes = (row: number) => weights[row]! > 0 && (advantages[row] !== 0 || options.klCoef > 0)

  let row = 0
  const rowOf: number[][] = []
  const packed = groups.map(({ prompt, completions: own }) => {
    const rows = own.map(() => row++).filter(contributes)
    rowOf.push(rows)
    return { prompt, completions: rows.map((r) => completions[r]!.tokens) }
  })
  const at = (c: PackedCompletion) => rowOf[c.group]![c.completion]!
  const batches = packGroups(packed, options).map((batch) => ({
    ...batch,
    advantages: spread(batch, (c) => advantages[at(c)]!),
    weights: spread(batch, (c) => weights[at(c)]!),
    sampledLogp: gather(batch, (c) => completions[at(c)]!.logp),
  }))
  return { batches, tokens: lengths.reduce((sum, n) => sum + n, 0) }
}
