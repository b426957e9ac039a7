/**
 * VESPO: REINFORCE weighted by a gamma function of the completion's ratio, detached.
 *
 *   log w = clamp(sum_t (delta + log importance), log 1e-8, 20)      phi = exp(lambda + k log w - lambda w)
 *   l     = -sg[phi] A logp                                          k, lambda by the sign of A
 */
import { clamp, defineLoss, MAX_LOG_RATIO } from './define.ts'

const LOWEST = Math.log(1e-8)

export const vespo = defineLoss({
  kind: 'vespo',
  source: 'VESPO; TRL loss_type vespo',
  statistic: 'sum',
  takesImportance: true,
  part: (t) => ({ value: t.delta + clamp(Math.log(t.importance), LOWEST, MAX_LOG_RATIO), slope: 0 }),
  row(t, options, statistic) {
    const logW = clamp(statistic, LOWEST, MAX_LOG_RATIO)
    const [k, lambda] =
      t.advantage >= 0 ? [options.kPositive, options.lambdaPositive] : [options.kNegative, options.lambdaNegative]
    const weight = Math.exp(lambda + k * logW - lambda * Math.exp(logW)) * t.advantage
    return { loss: -weight * t.logp, slope: -weight, through: 0, clipped: 0 }
  },
})
