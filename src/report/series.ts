/** Columns of numbers over steps, thinned to what a chart can show. */
import type { MetricsRecord } from '../metrics/types.ts'

export interface Point {
  x: number
  y: number
}

/** The values of one metric, in step order. NaN and infinities stay in. */
export function seriesOf(records: readonly MetricsRecord[], name: string): Point[] {
  return records.flatMap((record) => {
    const value = Object.hasOwn(record, name) ? record[name] : undefined
    return value === undefined ? [] : [{ x: record.step, y: value }]
  })
}

/** At most `limit` points: neighbours are averaged; a bucket with a value that is not finite shows it. */
export function thin(points: readonly Point[], limit = 240): Point[] {
  if (points.length <= limit) return [...points]
  const size = Math.ceil(points.length / limit)
  return Array.from({ length: Math.ceil(points.length / size) }, (_, i) => {
    const bucket = points.slice(i * size, (i + 1) * size)
    const broken = bucket.find(({ y }) => !Number.isFinite(y))
    return { x: bucket.at(-1)!.x, y: broken ? broken.y : bucket.reduce((sum, { y }) => sum + y, 0) / bucket.length }
  })
}

/** Running mean over the latest `window` finite values. */
export function smooth(points: readonly Point[], window: number): Point[] {
  const recent: number[] = []
  return points.map(({ x, y }) => {
    if (Number.isFinite(y)) recent.push(y)
    if (recent.length > window) recent.shift()
    return { x, y: recent.length === 0 ? Number.NaN : recent.reduce((a, b) => a + b, 0) / recent.length }
  })
}
