/**
 * How token losses become one number. Every mode is a weight per token, so that `total = sum_i weight_i loss_i` and
 * any split into micro-batches or ranks adds up to the same gradient:
 *
 *   token-mean              1 / trained tokens of the mini-batch             one optimizer update; verl token-mean
 *   rollout-token-mean      mini-batches / trained tokens of the rollout     TRL dapo, cispo, vespo; DAPO paper
 *   micro-batch-token-mean  1 / (micro-batches x trained tokens of its own)  TRL bnpo; depends on the split by definition
 *   sequence-mean           1 / (B x trained tokens of its own completion)   GRPO; TRL grpo, verl seq-mean-token-mean
 *   sequence-sum            1 / B                                            LUSPO; verl seq-mean-token-sum
 *   fixed-length            1 / (B x fixedLength)                            Dr.GRPO; no length normalisation
 *
 * B = completions of the mini-batch, those without a trained token included.
 */

export const aggregations = [
  'token-mean',
  'rollout-token-mean',
  'micro-batch-token-mean',
  'sequence-mean',
  'sequence-sum',
  'fixed-length',
] as const
export type Aggregation = (typeof aggregations)[number]

/** What the weights of a mini-batch depend on besides a completion's own length. Counts of ranks add up. */
export interface BatchTotals {
  completions: number
  tokens: number
}

export interface AggregationOptions {
  mode: Aggregation
  /** The longest completion allowed; for `fixed-length`. */
  fixedLength: number
  /** Of the whole mini-batch, over all ranks; absent = these completions are all of it. */
  totals?: BatchTotals
  /** Of the whole rollout, and the mini-batches it is dealt out to; for `rollout-token-mean`. Absent = one. */
  rollout?: { tokens: number; miniBatches: number }
  /** Micro-batches of the mini-batch; for `micro-batch-token-mean`, where `lengths` is one micro-batch. */
  microBatches?: number
}

/**
 * The weight that each trained token of a completion carries.
 *
 * @param lengths (B) trained tokens per completion.
 * @returns (B); 0 where a completion has no trained token.
 *
 * @example
 * aggregationWeights([2, 3], { mode: 'token-mean', fixedLength: 16 }) // [0.2, 0.2]
 */
export function aggregationWeights(lengths: ArrayLike<number>, options: AggregationOptions): Float64Array {
  const own = totalsOf(lengths)
  const { completions, tokens } = options.totals ?? own
  const { rollout = { tokens, miniBatches: 1 }, microBatches = 1 } = options
  const weight: Record<Aggregation, (length: number) => number> = {
    'token-mean': () => 1 / tokens,
    'rollout-token-mean': () => rollout.miniBatches / rollout.tokens,
    'micro-batch-token-mean': () => 1 / (microBatches * own.tokens),
    'sequence-mean': (length) => 1 / (completions * length),
    'sequence-sum': () => 1 / completions,
    'fixed-length': () => 1 / (completions * options.fixedLength),
  }
  return Float64Array.from(lengths, (length) => (length === 0 ? 0 : weight[options.mode](length)))
}

/** Completions and trained tokens of one part of a mini-batch. */
export function totalsOf(lengths: ArrayLike<number>): BatchTotals {
  return { completions: lengths.length, tokens: Array.from(lengths).reduce((sum, n) => sum + n, 0) }
}
