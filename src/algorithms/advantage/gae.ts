/**
 * Generalised advantage estimation (Schulman et al. 2015):
 *
 *   delta_t = r_t + gamma V_{t+1} - V_t      L_t = delta_t + gamma lambda L_{t+1}      return_t = L_t + V_t
 *
 * Masked rows (observations of tools) are stepped over: V_{t+1} and L_{t+1} are those of the next trained row.
 * Without values and with lambda = 1 this is the discounted return of REINFORCE++.
 * The readable twin of the native kernel `gae`.
 */

export interface GaeColumns {
  rewards: ArrayLike<number>
  values: ArrayLike<number> | null
  mask: ArrayLike<number> | null
  /** (B + 1) offsets of the completions. */
  sequences: ArrayLike<number>
}

export function gae(
  { rewards, values, mask, sequences }: GaeColumns,
  { gamma, lambda }: { gamma: number; lambda: number },
): { advantages: Float64Array; returns: Float64Array } {
  const out = { advantages: new Float64Array(rewards.length), returns: new Float64Array(rewards.length) }
  for (let b = 0; b + 1 < sequences.length; b++) {
    let [nextValue, scan] = [0, 0]
    for (let t = sequences[b + 1]! - 1; t >= sequences[b]!; t--) {
      if (mask && !mask[t]) continue
      const value = values?.[t] ?? 0
      scan = rewards[t]! + gamma * nextValue - value + gamma * lambda * scan
      nextValue = value
      out.advantages[t] = scan
      out.returns[t] = scan + value
    }
  }
  return out
}
