/** "Did you mean ...?" for names a user mistyped. */

/** Damerau-Levenshtein distance, swaps of neighbours counted once. O(|a| |b|). */
export function editDistance(a: string, b: string): number {
  let beforePrevious: number[] = []
  let previous = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1]
      let best = Math.min(previous[j]! + 1, row[j - 1]! + 1, previous[j - 1]! + (same ? 0 : 1))
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        best = Math.min(best, beforePrevious[j - 2]! + 1)
      row.push(best)
    }
    beforePrevious = previous
    previous = row
  }
  return previous[b.length]!
}

/**
 * The candidate closest to what was written, ignoring case and `_`/`-`, or `null` when none is close.
 *
 * @example suggest('grupSize', ['groupSize', 'topK']) // 'groupSize'
 */
export function suggest(written: string, candidates: readonly string[]): string | null {
  if (written.length > 64) return null
  const plain = (name: string) => name.toLowerCase().replaceAll(/[_-]/g, '')
  let best: string | null = null
  let bestDistance = Math.max(1, Math.floor(written.length / 3)) + 1
  for (const candidate of candidates) {
    const distance = editDistance(plain(written), plain(candidate))
    if (distance < bestDistance) {
      best = candidate
      bestDistance = distance
    }
  }
  return best
}
