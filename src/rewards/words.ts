/** Words of a text and how far two sequences are apart, with bounds for hostile lengths. */

/** Lower-case runs of letters and digits, at most `most` of them. */
export function wordsOf(text: string, most: number): string[] {
  const found: string[] = []
  for (const [word] of text.toLowerCase().matchAll(/[\p{L}\p{N}]+/gu)) {
    found.push(word)
    if (found.length === most) break
  }
  return found
}

/** Parts between spaces, as they are, at most `most` of them. */
export function tokensOf(text: string, most: number): string[] {
  const found: string[] = []
  for (const [part] of text.matchAll(/\S+/g)) {
    found.push(part)
    if (found.length === most) break
  }
  return found
}

/** Insertions, deletions and substitutions between two sequences. O(|a| |b|) time, O(|b|) memory. */
export function editsBetween(a: readonly string[], b: readonly string[]): number {
  let previous = Uint32Array.from({ length: b.length + 1 }, (_, j) => j)
  let row = new Uint32Array(b.length + 1)
  for (let i = 1; i <= a.length; i++) {
    row[0] = i
    for (let j = 1; j <= b.length; j++) {
      const change = previous[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)
      row[j] = Math.min(change, previous[j]! + 1, row[j - 1]! + 1)
    }
    ;[previous, row] = [row, previous]
  }
  return previous[b.length]!
}

/** Length of the longest common subsequence. O(|a| |b|) time. */
export function commonSubsequence(a: readonly string[], b: readonly string[]): number {
  let previous = new Uint32Array(b.length + 1)
  let row = new Uint32Array(b.length + 1)
  for (const word of a) {
    for (let j = 1; j <= b.length; j++)
      row[j] = word === b[j - 1] ? previous[j - 1]! + 1 : Math.max(previous[j]!, row[j - 1]!)
    ;[previous, row] = [row, previous]
  }
  return previous[b.length]!
}

/** How often each run of `n` items occurs. */
export function ngrams(items: readonly string[], n: number): Map<string, number> {
  const counts = new Map<string, number>()
  for (let at = 0; at + n <= items.length; at++) {
    const key = items.slice(at, at + n).join('\u0000')
    counts.set(key, (counts.get(key) ?? 0) + 1)
  }
  return counts
}

/** F1 of two multisets: 2 overlap / (|a| + |b|); 0 when either is empty. */
export function overlapF1(a: ReadonlyMap<string, number>, b: ReadonlyMap<string, number>): number {
  let [overlap, sizeA, sizeB] = [0, 0, 0]
  for (const [key, count] of a) {
    sizeA += count
    overlap += Math.min(count, b.get(key) ?? 0)
  }
  for (const count of b.values()) sizeB += count
  return overlap === 0 ? 0 : (2 * overlap) / (sizeA + sizeB)
}
