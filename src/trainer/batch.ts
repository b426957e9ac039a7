/** Experience -> mini-batches (one optimizer update each) of micro-batches (one forward each) with their columns. */

import { type Aggregation, aggregationWeights, highEntropyMask } from '../algorithms/index.ts'
import { gather, type MicroBatch, type PackedCompletion, packGroups, spread } from '../rollout/pack.ts'
import type { Experience, PackSettings } from './experience.ts'

export interface BatchOptions extends PackSettings {
  miniBatches: number
  aggregation: Aggregation
  /** Length that `fixed-length` divides by: the longest completion allowed. */
  maxNewTokens: number
  /** (B) weight of the KL term in the loss per completion; `null` = none. */
  klCoefs: readonly number[] | null
  /** Share of tokens, those of highest entropy, that have a loss. */
  topEntropyShare: number
  /**
   * Completions of advantage 0 have a gradient too (an entropy bonus, a critic on the same backbone) or count in a
   * statistic of the batch. Without it, and without a KL term, they are left out of the packs.
   */
  keepAll: boolean
}

/** A micro-batch with one value per head row. */
export interface PolicyBatch extends MicroBatch {
  /** (N) */
  advantages: Float32Array
  /** (N) aggregation weight x loss mask. */
  weights: Float32Array
  /** (N) log-probs of the sampler, and of the policy before the first update. */
  sampledLogp: Float32Array
  oldLogp: Float32Array
  refLogp: Float32Array | null
  klCoef: Float32Array | null
  importance: Float32Array | null
  /** (N) 0 = no loss. */
  keep: Uint8Array | null
  /** (N) tokens that `kl-cov` chose. */
  selected: Uint8Array | null
  /** (N) of the critic. */
  values: Float32Array | null
  returns: Float32Array | null
  /** (completions + 1) offsets into the head rows. */
  sequences: Int32Array
}

export interface MiniBatch {
  batches: PolicyBatch[]
  /** Trained tokens, those of completions without a gradient included. */
  tokens: number
  /** Those of them that have a policy loss. */
  keptTokens: number
  /** Some completions were sampled by an earlier policy. */
  offPolicy: boolean
}

/**
 * Deals the groups out to mini-batches, in order. Weights are those of the whole mini-batch, so the split into
 * micro-batches does not change the gradient (but for `micro-batch-token-mean`, whose meaning it is).
 */
export function buildMiniBatches(experience: Experience, options: BatchOptions): MiniBatch[] {
  const { groups, lengths } = experience
  const first: number[] = []
  let rows = 0
  for (const group of groups) {
    first.push(rows)
    rows += group.completions.length
  }
  const rollout = { tokens: lengths.reduce((sum, n) => sum + n, 0), miniBatches: options.miniBatches }
  return Array.from({ length: options.miniBatches }, (_, m) => {
    const begin = Math.floor((m * groups.length) / options.miniBatches)
    const end = Math.floor(((m + 1) * groups.length) / options.miniBatches)
    return new Builder(experience, options, rollout, { begin, end, first }).build()
  })
}

/** The groups of one mini-batch; `first` = row of each group's first completion. */
interface Range {
  begin: number
  end: number
  first: number[]
}

class Builder {
  private readonly completions
  /** First row of the mini-batch in the experience. */
  private readonly offset: number
  private readonly lengths: number[]

  constructor(
    private readonly experience: Experience,
    private readonly options: BatchOptions,
    private readonly rollout: { tokens: number; miniBatches: number },
    private readonly range: Range,
  ) {
    this.completions = experience.groups.slice(range.begin, range.end).flatMap((g) => g.completions)
    this.offset = range.first[range.begin] ?? 0
    this.lengths = experience.lengths.slice(this.offset, this.offset + this.completions.length)
  }

  build(): MiniBatch {
    const { experience, options, range, rollout } = this
    const mode = options.aggregation
    const weights = aggregationWeights(this.lengths, { mode, fixedLength: options.maxNewTokens, rollout })
    const keep = options.topEntropyShare < 1 ? this.entropyMask() : null
    let row = 0
    const rowOf: number[][] = []
    const packed = experience.groups.slice(range.begin, range.end).map(({ prompt, completions: own }) => {
      const rows = own.map(() => row++).filter((r) => this.contributes(r, weights[r]!))
      rowOf.push(rows)
      return { prompt, completions: rows.map((r) => this.completions[r]!.tokens) }
    })
    const at = (c: PackedCompletion) => rowOf[c.group]![c.completion]!
    const batches = packGroups(packed, options)
    const kept = keep ? keep.reduce((sum, mask) => sum + mask.reduce((a, b) => a + b, 0), 0) : null
    const tokens = this.lengths.reduce((sum, n) => sum + n, 0)
    return {
      batches: batches.map((batch) =>
        this.columns(batch, at, this.splitWeights(weights, batch, at, batches.length), keep),
      ),
      tokens,
      keptTokens: kept ?? tokens,
      offPolicy: experience.offPolicy ?? false,
    }
  }

  private contributes(row: number, weight: number): boolean {
    const { options, experience } = this
    if (weight === 0) return false
    const always = options.keepAll || options.aggregation === 'micro-batch-token-mean'
    if (always || (options.klCoefs?.[this.offset + row] ?? 0) > 0) return true
    return experience.advantages[this.offset + row]!.some((a) => a !== 0)
  }

  /** The weights of one micro-batch: only the mean of micro-batches has others than the mini-batch. */
  private splitWeights(
    whole: Float64Array,
    batch: MicroBatch,
    at: (c: PackedCompletion) => number,
    microBatches: number,
  ): (c: PackedCompletion) => number {
    if (this.options.aggregation !== 'micro-batch-token-mean') return (c) => whole[at(c)]!
    const own = aggregationWeights(
      batch.completions.map((c) => this.lengths[at(c)]!),
      { mode: this.options.aggregation, fixedLength: this.options.maxNewTokens, microBatches },
    )
    return (c) => own[batch.completions.indexOf(c)]!
  }

  private columns(
    batch: MicroBatch,
    at: (c: PackedCompletion) => number,
    weightOf: (c: PackedCompletion) => number,
    keep: Float32Array[] | null,
  ): PolicyBatch {
    const { experience, offset, options } = this
    const column = (of: Float32Array[]) => gather(batch, (c) => of[offset + at(c)]!)
    const optional = (of: Float32Array[] | null) => of && column(of)
    return {
      ...batch,
      advantages: column(experience.advantages),
      weights: spread(batch, weightOf),
      sampledLogp: gather(batch, (c) => this.completions[at(c)]!.logp),
      oldLogp: column(experience.oldLogp),
      refLogp: optional(experience.refLogp),
      klCoef: options.klCoefs && spread(batch, (c) => options.klCoefs![offset + at(c)]!),
      importance: optional(experience.importance),
      keep: keep && Uint8Array.from(gather(batch, (c) => keep[at(c)]!)),
      selected: null,
      values: optional(experience.values),
      returns: optional(experience.returns),
      sequences: Int32Array.from([...batch.completions.map((c) => c.begin), batch.head.rows.length]),
    }
  }

  /** (B) columns: 1 for the most uncertain tokens among all that have a loss in this mini-batch. */
  private entropyMask(): Float32Array[] {
    const trained = this.completions.map(({ entropy }, r) => (this.lengths[r]! > 0 ? entropy : new Float32Array(0)))
    const mask = highEntropyMask(Float32Array.from(trained.flatMap((h) => Array.from(h))), this.options.topEntropyShare)
    let begin = 0
    return trained.map(({ length }) => {
      begin += length
      return Float32Array.from(mask.subarray(begin - length, begin))
    })
  }
}
