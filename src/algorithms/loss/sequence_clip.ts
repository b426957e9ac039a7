/**
 * Clipped ratio of whole completions: every token of a completion has the loss of its ratio s.
 *
 *   gspo              s = exp(mean_t delta)    geometric mean of the token ratios
 *   luspo             the same; its tokens are summed, so long completions count more (aggregation sequence-sum)
 *   sequence-product  s = exp(sum_t delta)     probability ratio of the completion
 *   gspo-token        value s, gradient through the token's own log-prob: log s_t = sg[mean delta] + logp_t - sg[logp_t]
 */
import { clippedRatio } from './clip.ts'
import { clamp, defineLoss, MAX_LOG_RATIO, type Options, type Row, type Token } from './define.ts'

/** The ratio of a completion; constant where its logarithm is past the limit. */
export function sequenceRatio(statistic: number): { ratio: number; live: number } {
  return {
    ratio: Math.exp(clamp(statistic, -MAX_LOG_RATIO, MAX_LOG_RATIO)),
    live: Math.abs(statistic) > MAX_LOG_RATIO ? 0 : 1,
  }
}

type Kind = 'gspo' | 'luspo' | 'sequence-product'

function sequenceClip<K extends Kind>(kind: K, statistic: 'mean' | 'sum', source: string) {
  return defineLoss({
    ...{ kind, statistic, source },
    part: (t) => ({ value: t.delta, slope: t.live }),
    row(t: Token, options: Options<Kind>, value: number): Row {
      const { ratio, live } = sequenceRatio(value)
      const row = clippedRatio(ratio, live, t.advantage, options)
      return { ...row, slope: 0, through: row.slope }
    },
  })
}

export const gspo = sequenceClip('gspo', 'mean', 'GSPO, arXiv 2507.18071; TRL importance_sampling_level sequence')
export const luspo = sequenceClip('luspo', 'mean', 'LUSPO; TRL loss_type luspo')
export const sequenceProduct = sequenceClip(
  'sequence-product',
  'sum',
  'RLOO of TRL (RLOOTrainer): ratio of whole completions',
)

export const gspoToken = defineLoss({
  kind: 'gspo-token',
  source: 'GSPO-token, arXiv 2507.18071; verl gspo, EasyR1 gspo_token, ms-swift sequence_token',
  statistic: 'mean',
  part: (t) => ({ value: t.delta, slope: t.live }),
  row(t, options, statistic) {
    const { ratio, live } = sequenceRatio(statistic)
    return clippedRatio(ratio, live, t.advantage, options)
  },
})
