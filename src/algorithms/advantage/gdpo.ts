/**
 * GDPO: rewards do not drown each other, because each is normalised by itself before they are summed.
 *
 *   a_k = (r_k - mean_g) / (std_g + eps)     s = sum_k w_k a_k     A = (s - mean_batch) / (std_batch + eps)
 *
 * A row without any reward is left out and has advantage 0. The readable twin of the native kernel `gdpo`.
 */
import { type AdvantageOptions, meanStd } from './define.ts'
import { groupAdvantage } from './group_advantage.ts'

/** @param rewards K columns (B), NaN = no value; `weights` (K). */
export function gdpo(
  rewards: readonly ArrayLike<number>[],
  weights: ArrayLike<number>,
  groupIds: ArrayLike<number>,
  options: AdvantageOptions,
): Float64Array {
  const parts = rewards.map((own) => groupAdvantage({ rewards: own, groupIds }, 'group', options))
  const sums = Array.from(groupIds, (_, i) =>
    rewards.every((own) => Number.isNaN(own[i]))
      ? Number.NaN
      : parts.reduce((sum, part, k) => sum + weights[k]! * part[i]!, 0),
  )
  return standardize(sums, options)
}

/** (x - mean) / (std + eps) over the values that are not NaN; those become 0. */
export function standardize(x: readonly number[], { eps, ddof }: Pick<AdvantageOptions, 'eps' | 'ddof'>): Float64Array {
  const { mean, std } = meanStd(
    x.filter((v) => !Number.isNaN(v)),
    ddof,
  )
  return Float64Array.from(x, (v) => (Number.isNaN(v) || v === mean ? 0 : (v - mean) / (std + eps)))
}
