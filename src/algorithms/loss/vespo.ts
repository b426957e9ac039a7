/**
 * VESPO: REINFORCE weighted by a gamma function of the completion's ratio, detached.
 *
 *   log w = clamp(sum_t (delta + log importance), log 1e-8, 20)      phi = exp(lambda + k log w - lambda w)
 *   l     = -sg[phi] A logp                                          k, lambda by the sign of A
 */
import { clamp, defineLoss, MAX_LOG_RATIO, type Options } from './define.ts'

const LOWEST = Math.log(1e-8)

/** @param statistic the completion's sum of log-ratios. */
function phi(advantage: number, statistic: number, options: Options<'vespo'>): number {
  const logW = clamp(statistic, LOWEST, MAX_LOG_RATIO)
  const [k, lambda] =
    advantage >= 0 ? [options.kPositive, options.lambdaPositive] : [options.kNegative, options.lambdaNegative]
  return Math.exp(lambda + k * logW - lambda * Math.exp(logW))
}

export const vespo = defineLoss({
  kind: 'vespo',
  source: 'VESPO; TRL loss_type vespo',
  statistic: 'sum',
  takesImportance: true,
  part: (t) => ({ value: t.delta + clamp(Math.log(t.importance), LOWEST, MAX_LOG_RATIO), slope: 0 }),
  row(t, options, statistic) {
    const weight = phi(t.advantage, statistic, options) * t.advantage
    return { loss: -weight * t.logp, slope: -weight, through: 0, clipped: 0 }
  },
  metrics: (completions, options) => {
    const sum = completions.reduce(
      (total, own) => total + phi(own.advantage, own.logRatio + own.logImportance, options),
      0,
    )
    return { 'vespo/phi_seq_mean': sum / Math.max(1, completions.length) }
  },
})
