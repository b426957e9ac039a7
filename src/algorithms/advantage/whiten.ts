/**
 * (x - mean) / sqrt(var + 1e-8) over tokens, var with Bessel's correction (masked_whiten of TRL and verl).
 * The readable twin of the native kernel `whiten`.
 */

/** @param counts how many tokens carry each value; 0 = masked out, the value becomes 0. `null` = one each. */
export function whiten(values: ArrayLike<number>, counts: ArrayLike<number> | null, shiftMean = true): Float64Array {
  const count = (i: number) => (counts ? counts[i]! : 1)
  const rows = Array.from(values, (_, i) => i).filter((i) => count(i) > 0)
  const total = rows.reduce((sum, i) => sum + count(i), 0)
  const mean = rows.reduce((sum, i) => sum + count(i) * values[i]!, 0) / Math.max(1, total)
  const squares = rows.reduce((sum, i) => sum + count(i) * (values[i]! - mean) ** 2, 0)
  const factor = total > 1 ? 1 / Math.sqrt(squares / (total - 1) + 1e-8) : 0
  const out = new Float64Array(values.length)
  for (const i of rows) out[i] = (values[i]! - mean) * factor + (shiftMean ? 0 : mean)
  return out
}
