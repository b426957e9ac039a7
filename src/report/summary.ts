/** The numbers of a run: tiles on top, tables at the end. */
import { formatDuration, formatNumber, formatPercent } from '../metrics/format.ts'
import type { MetricsRecord } from '../metrics/types.ts'
import { escapeText } from './html.ts'
import { seriesOf } from './series.ts'

const rows: [name: string, label: string][] = [
  ['reward', 'reward'],
  ['eval_accuracy', 'held-out accuracy'],
  ['rewards/accuracy/mean', 'accuracy reward'],
  ['rewards/format/mean', 'format reward'],
  ['loss', 'loss'],
  ['completions/mean_length', 'completion length (tokens)'],
  ['completions/clipped_ratio', 'completions cut at the limit'],
  ['frac_reward_zero_std', 'flat groups'],
  ['entropy', 'entropy (nats)'],
  ['kl', 'KL (nats)'],
  ['grad_norm', 'gradient norm'],
  ['step_time', 'seconds per step'],
]

/** Tiles of label and value; `steps` is the length the run was given. */
export function drawTiles(
  records: readonly MetricsRecord[],
  results: Readonly<Record<string, unknown>>,
  steps: number | null,
): string {
  const trained = records.filter((record) => record.loss !== undefined || record.reward !== undefined)
  const tokens = seriesOf(records, 'num_tokens').at(-1)?.y
  const seconds = numberIn(results, 'seconds') ?? seriesOf(records, 'step_time').reduce((sum, { y }) => sum + y, 0)
  const done = String(trained.at(-1)?.step ?? 0)
  const tiles: [string, string][] = [['steps', steps === null ? done : `${done} of ${steps}`]]
  tiles.push(...change(records, 'reward', 'reward', formatNumber))
  tiles.push(...change(records, 'eval_accuracy', 'held-out accuracy', formatPercent))
  if (tokens !== undefined) tiles.push(['tokens', Math.round(tokens).toLocaleString('en-US')])
  if (seconds > 0) tiles.push(['time', formatDuration(seconds)])
  return `<div class="tiles">${tiles.map(([label, value]) => `<div><span>${label}</span><b>${escapeText(value)}</b></div>`).join('')}</div>`
}

function change(
  records: readonly MetricsRecord[],
  name: string,
  label: string,
  format: (value: number) => string,
): [string, string][] {
  const points = seriesOf(records, name)
  if (points.length === 0) return []
  const [first, last] = ends(name, points)
  return [[label, points.length === 1 ? format(first) : `${format(first)} → ${format(last)}`]]
}

/** Where a metric started and ended: single evaluations, and means over up to five steps of what is noisy. */
function ends(name: string, points: readonly { y: number }[]): [number, number] {
  const size = name.startsWith('eval_') ? 1 : Math.min(5, Math.ceil(points.length / 2))
  return [mean(points.slice(0, size)), mean(points.slice(-size))]
}

/** Start, end and extremes of each metric the run has. */
export function drawSummary(records: readonly MetricsRecord[]): string {
  const body = rows.flatMap(([name, label]) => {
    const points = seriesOf(records, name)
    if (points.length === 0) return []
    const finite = points.filter(({ y }) => Number.isFinite(y)).map(({ y }) => y)
    const values = [
      ...ends(name, points),
      finite.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY),
      finite.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY),
    ]
    return [`<tr><th>${label}</th>${values.map((value) => `<td>${formatNumber(value)}</td>`).join('')}</tr>`]
  })
  if (body.length === 0) return ''
  return `<table><thead><tr><th>metric</th><td>start</td><td>end</td><td>lowest</td><td>highest</td></tr></thead><tbody>${body.join('')}</tbody></table>`
}

/** report.json as tables: plain values in one, each object of objects in one of its own. */
export function drawResults(results: Readonly<Record<string, unknown>>): string {
  const plain = Object.entries(results).filter(([, value]) => typeof value !== 'object' || value === null)
  const nested = Object.entries(results).filter(([, value]) => typeof value === 'object' && value !== null)
  const rows = plain.map(([name, value]) => `<tr><th>${escapeText(name)}</th><td>${show(name, value)}</td></tr>`)
  const first = rows.length > 0 ? `<table><tbody>${rows.join('')}</tbody></table>` : ''
  return first + nested.map(([name, value]) => drawNested(name, value as object)).join('')
}

function drawNested(title: string, value: object): string {
  const entries = Object.entries(value)
  const isRow = (cell: unknown): cell is object => typeof cell === 'object' && cell !== null
  const columns = [...new Set(entries.flatMap(([, row]) => (isRow(row) ? Object.keys(row) : [])))]
  const head = columns.map((column) => `<td>${escapeText(column)}</td>`).join('')
  const body = entries.map(([name, row]) => {
    const cells = isRow(row)
      ? columns.map((column) => show(title + column, (row as Record<string, unknown>)[column]))
      : [show(title, row)]
    return `<tr><th>${escapeText(name)}</th>${cells.map((cell) => `<td>${cell}</td>`).join('')}</tr>`
  })
  return `<table><thead><tr><th>${escapeText(title)}</th>${head}</tr></thead><tbody>${body.join('')}</tbody></table>`
}

/** Shares are shown as percentages where the name says what they are. */
function show(name: string, value: unknown): string {
  if (value === undefined) return ''
  if (typeof value !== 'number') return escapeText(typeof value === 'object' ? JSON.stringify(value) : String(value))
  const share = /accuracy|perKind/i.test(name) && value >= 0 && value <= 1
  return share ? formatPercent(value) : formatNumber(value)
}

function mean(points: readonly { y: number }[]): number {
  const finite = points.filter(({ y }) => Number.isFinite(y))
  return finite.length === 0 ? Number.NaN : finite.reduce((sum, { y }) => sum + y, 0) / finite.length
}

/** A finite number under this name. */
export function numberIn(results: Readonly<Record<string, unknown>>, name: string): number | null {
  const value = results[name]
  return typeof value === 'number' && Number.isFinite(value) ? value : null
}
