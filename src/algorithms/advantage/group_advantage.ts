/** Advantages per completion, group by group. The readable twin of the native kernel `groupAdvantage`. */
import type { AdvantageOptions, RewardColumns, RewardGroup } from './define.ts'
import { groupRules } from './index.ts'

/**
 * One advantage per row. A row without a reward is left out of every mean and deviation and has advantage 0.
 *
 * @example
 * groupAdvantage({ rewards: [1, 0, 0, 1], groupIds: [7, 7, 7, 7] }, 'group', { scale: 'none', eps: 1e-4, ddof: 1 })
 * // [0.5, -0.5, -0.5, 0.5]
 */
export function groupAdvantage(
  columns: RewardColumns,
  kind: keyof typeof groupRules,
  options: AdvantageOptions,
): Float64Array {
  const { rewards, groupIds } = columns
  const rowsOf = new Map<number, number[]>()
  const batch: number[] = []
  for (let i = 0; i < rewards.length; i++) {
    if (Number.isNaN(rewards[i])) continue
    const rows = rowsOf.get(groupIds[i]!)
    if (rows) rows.push(i)
    else rowsOf.set(groupIds[i]!, [i])
    batch.push(rewards[i]!)
  }
  const advantages = new Float64Array(rewards.length)
  for (const rows of rowsOf.values()) {
    const pick = (column: ArrayLike<number> | undefined) => rows.map((i) => column?.[i] ?? 0)
    const group: RewardGroup = {
      rewards: pick(rewards),
      lengths: pick(columns.lengths),
      baselines: pick(columns.baselines),
      batch,
    }
    const own = groupRules[kind].compute(group, options)
    for (const [k, i] of rows.entries()) advantages[i] = own[k]!
  }
  return advantages
}
