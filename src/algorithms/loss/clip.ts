/**
 * Clipped ratio (PPO, Schulman et al. 2017; asymmetric bounds: DAPO; dual clip: Ye et al. 2020; cap: INTELLECT-2):
 *
 *   l = -min(min(r, cap) A, clip(r, 1 - clipLow, 1 + clipHigh) A)       A < 0: l = min(l, -dualClip A)
 *
 * On a tie of the branches (on-policy: r = 1) the unclipped one is differentiated, so the gradient is -A.
 */

import type { ClipBounds } from '../../native/types.ts'
import { clamp, defineLoss, type Row } from './define.ts'

/** The loss at a ratio; `slope` is the derivative by the log-ratio. */
export function clippedRatio(ratio: number, live: number, advantage: number, bounds: ClipBounds): Row {
  const [low, high] = [1 - bounds.clipLow, 1 + bounds.clipHigh]
  const cap = bounds.ratioCap ?? Number.POSITIVE_INFINITY
  const dual = bounds.dualClip ?? Number.POSITIVE_INFINITY
  const [capped, bounded] = [Math.min(ratio, cap), clamp(ratio, low, high)]
  const isClipped = bounded * advantage < capped * advantage
  const flat = isClipped ? ratio < low || ratio > high : ratio > cap
  const loss = -(isClipped ? bounded : capped) * advantage
  if (advantage < 0 && loss > -dual * advantage) return { loss: -dual * advantage, slope: 0, through: 0, clipped: 3 }
  const side = ratio < 1 ? 1 : 2
  const slope = flat ? 0 : -ratio * advantage * live
  return { loss, slope, through: 0, clipped: flat ? (isClipped ? side : 3) : 0 }
}

export const clip = defineLoss({
  kind: 'clip',
  source: 'PPO, arXiv 1707.06347; TRL grpo/dapo/bnpo/dr_grpo, verl vanilla, EasyR1 default',
  statistic: null,
  row: (t, bounds) => clippedRatio(t.ratio, t.live, t.advantage, bounds),
})

/** The same formula; tokens chosen by covariance have no loss (`keep`, see ../mask/covariance.ts). */
export const clipCov = defineLoss({
  kind: 'clip-cov',
  source: 'Clip-Cov, arXiv 2505.22617; verl clip_cov',
  statistic: null,
  row: (t, bounds) => clippedRatio(t.ratio, t.live, t.advantage, bounds),
})
