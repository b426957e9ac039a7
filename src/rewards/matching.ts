/** Which predicted box stands for which true one, and average precision. */
import { type Found, iou } from './boxes.ts'

export interface Pair {
  given: number
  truth: number
  overlap: number
}

/** Whether two boxes may be the same object: equal labels, or no label on one side. */
const sameLabel = (a: Found, b: Found) => a.label === null || b.label === null || a.label === b.label

/** One-to-one pairs of the highest overlaps first, from `threshold` on; equal overlaps by position. */
export function matchBoxes(given: readonly Found[], truth: readonly Found[], threshold: number): Pair[] {
  const candidates = given.flatMap((a, i) =>
    truth.flatMap((b, j): Pair[] => {
      const overlap = sameLabel(a, b) ? iou(a.box, b.box) : 0
      return overlap > 0 && overlap >= threshold ? [{ given: i, truth: j, overlap }] : []
    }),
  )
  candidates.sort((a, b) => b.overlap - a.overlap || a.given - b.given || a.truth - b.truth)
  const [usedGiven, usedTruth] = [new Set<number>(), new Set<number>()]
  return candidates.filter(({ given: i, truth: j }) => {
    if (usedGiven.has(i) || usedTruth.has(j)) return false
    usedGiven.add(i)
    usedTruth.add(j)
    return true
  })
}

/**
 * Average precision of one label at one IoU, over the 101 recall points of COCO. Predictions are taken by confidence
 * (by position where it is equal or missing); each takes the free true box that it overlaps most.
 */
export function averagePrecision(given: readonly Found[], truth: readonly Found[], threshold: number): number {
  if (truth.length === 0) return 0
  const order = [...given.keys()].sort((a, b) => (given[b]!.confidence ?? 1) - (given[a]!.confidence ?? 1) || a - b)
  const free = new Set(truth.keys())
  const curve: { recall: number; precision: number }[] = []
  let hits = 0
  for (const [rank, index] of order.entries()) {
    let [best, at] = [0, -1]
    for (const j of free) {
      const overlap = iou(given[index]!.box, truth[j]!.box)
      if (overlap >= threshold && overlap > best) [best, at] = [overlap, j]
    }
    if (free.delete(at)) hits++
    curve.push({ recall: hits / truth.length, precision: hits / (rank + 1) })
  }
  return interpolated(curve)
}

/** Mean over recall 0, 0.01, .., 1 of the best precision at that recall or beyond. */
function interpolated(curve: { recall: number; precision: number }[]): number {
  for (let k = curve.length - 2; k >= 0; k--)
    curve[k]!.precision = Math.max(curve[k]!.precision, curve[k + 1]!.precision)
  let [total, at] = [0, 0]
  for (let point = 0; point <= 100; point++) {
    while (at < curve.length && curve[at]!.recall < point / 100) at++
    total += curve[at]?.precision ?? 0
  }
  return total / 101
}

/** Mean over the labels of the truth and over IoU 0.5, 0.55, .., 0.95, or one threshold. */
export function meanAveragePrecision(
  given: readonly Found[],
  truth: readonly Found[],
  thresholds: readonly number[],
): number {
  const labels = [...new Set(truth.map(({ label }) => label))]
  if (labels.length === 0) return 0
  const of = (boxes: readonly Found[], label: string | null) => boxes.filter((box) => box.label === label)
  const scores = labels.flatMap((label) =>
    thresholds.map((threshold) => averagePrecision(of(given, label), of(truth, label), threshold)),
  )
  return scores.reduce((sum, score) => sum + score, 0) / scores.length
}
