/**
 * How token losses become one number. Every mode is a weight per token, so that
 * `total = sum_i weight_i loss_i` and any split into micro-batches adds up to the same gradient:
 *
 *   token-mean     1 / (trained tokens of the mini-batch)              DAPO; every token counts the same
 *   sequence-mean  1 / (B x trained tokens of its own completion)      GRPO; every completion counts the same
 *   fixed-length   1 / (B x fixedLength)                               Dr.GRPO; no length normalisation
 *
 * B = completions of the mini-batch, those without a trained token included.
 */

export type Aggregation = 'token-mean' | 'sequence-mean' | 'fixed-length'

/**
 * The weight that each trained token of a completion carries.
 *
 * @param lengths (B) trained tokens per completion, over the whole mini-batch.
 * @param fixedLength the longest completion allowed; used by `fixed-length` only.
 * @returns (B); 0 where a completion has no trained token.
 *
 * @example
 * aggregationWeights([2, 3], 'token-mean', 16) // [0.2, 0.2]
 */
export function aggregationWeights(lengths: ArrayLike<number>, mode: Aggregation, fixedLength: number): Float64Array {
  const batch = lengths.length
  const tokens = Array.from(lengths).reduce((sum, n) => sum + n, 0)
  return Float64Array.from(lengths, (own) => {
    if (own === 0) return 0
    if (mode === 'token-mean') return 1 / tokens
    if (mode === 'sequence-mean') return 1 / (batch * own)
    return 1 / (batch * fixedLength)
  })
}
