/** Line charts and stacked charts as inline SVG: axes, grid, legend, and a title for every point under the pointer. */
import { formatNumber, formatPercent } from '../metrics/format.ts'
import { escapeText } from './html.ts'
import { niceScale, type Scale, stepTicks } from './scale.ts'
import { type Point, smooth, thin } from './series.ts'

export interface Series {
  label: string
  points: Point[]
  /** Number of its colour; absent: its place among the series drawn. Keeps colours when a series is missing. */
  colour?: number
  /** Draw a running mean over the pale raw line. */
  smoothed?: boolean
}

export interface Chart {
  title: string
  /** One line below the title. */
  about: string
  series: Series[]
  /** Lower and upper edge of a shaded band. */
  band?: { label: string; low: Point[]; high: Point[] }
  /** Horizontal dashed lines. */
  marks?: { label: string; y: number }[]
  /** Vertical dashed lines. */
  events?: { label: string; x: number; colour?: number }[]
  percent?: boolean
  fromZero?: boolean
  /** Series lie on top of each other. */
  stacked?: boolean
}

const width = 560
const height = 224
const plot = { left: 60, right: 548, top: 10, bottom: 192 }

interface Frame {
  x: (step: number) => number
  y: (value: number) => number
  steps: [number, number]
  scale: Scale
  /** A value under the pointer, and one beside the axis. */
  format: (value: number) => string
  tickText: (value: number) => string
}

/** @returns a `<figure>`; nothing when no series has a point */
export function drawChart(chart: Chart): string {
  const series = chart.series
    .filter(({ points }) => points.length > 0)
    .map((one, place) => ({ ...one, points: thin(one.points), colour: one.colour ?? place }))
  if (series.length === 0) return ''
  const layers = chart.stacked ? stack(series) : series
  const frame = frameFor(chart, layers)
  const drawn = chart.stacked ? drawAreas(layers, frame) : drawLines(layers, frame)
  const band = chart.band ? drawBand(thin(chart.band.low), thin(chart.band.high), frame) : ''
  return `<figure class="chart"><figcaption><b>${escapeText(chart.title)}</b><span>${escapeText(chart.about)}</span></figcaption>
<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${escapeText(chart.title)}">
${drawAxes(frame)}${band}${drawn}${drawMarks(chart.marks ?? [], frame)}${drawEvents(chart.events ?? [], frame)}${drawBroken(series, frame)}${drawHits(series, chart, frame)}
</svg>${legend(chart, series)}</figure>`
}

/** A series as it is drawn. */
type Layer = Series & { colour: number }

function frameFor(chart: Chart, layers: Layer[]): Frame {
  const points = layers.flatMap(({ points }) => points)
  const edges = [...(chart.band?.low ?? []), ...(chart.band?.high ?? [])]
  const include = [...(chart.fromZero || chart.stacked ? [0] : []), ...(chart.marks ?? []).map(({ y }) => y)]
  const scale = niceScale(
    [...points, ...edges].map(({ y }) => y),
    include,
  )
  const steps = points.map(({ x }) => x)
  const first = steps.reduce((a, b) => Math.min(a, b))
  const last = steps.reduce((a, b) => Math.max(a, b))
  const across = (plot.right - plot.left) / Math.max(1, last - first)
  return {
    scale,
    steps: [first, last],
    format: chart.percent ? formatPercent : formatNumber,
    tickText: chart.percent ? (share) => `${formatNumber(share * 100)} %` : formatNumber,
    x: (step) => (first === last ? (plot.left + plot.right) / 2 : plot.left + (step - first) * across),
    y: (value) => plot.bottom - ((value - scale.low) / (scale.high - scale.low)) * (plot.bottom - plot.top),
  }
}

function drawAxes({ scale, x, y, steps, tickText }: Frame): string {
  const rows = scale.ticks.map(
    (tick) =>
      `<line class="grid" x1="${plot.left}" x2="${plot.right}" y1="${px(y(tick))}" y2="${px(y(tick))}"/>` +
      `<text x="${plot.left - 6}" y="${px(y(tick) + 4.5)}" text-anchor="end">${escapeText(tickText(tick))}</text>`,
  )
  const columns = stepTicks(...steps).map(
    (tick) =>
      `<line class="axis" x1="${px(x(tick))}" x2="${px(x(tick))}" y1="${plot.bottom}" y2="${plot.bottom + 4}"/>` +
      `<text x="${px(x(tick))}" y="${plot.bottom + 18}" text-anchor="middle">${tick}</text>`,
  )
  const base = `<line class="axis" x1="${plot.left}" x2="${plot.right}" y1="${plot.bottom}" y2="${plot.bottom}"/>`
  return rows.join('') + columns.join('') + base
}

function drawLines(series: Layer[], frame: Frame): string {
  return series
    .map(({ points, smoothed, colour: i }) => {
      const fade = smoothed && points.length >= 12
      const raw = `<path class="line c${i}${fade ? ' raw' : ''}" d="${path(points, frame)}"/>`
      const mean = fade
        ? `<path class="line c${i}" d="${path(smooth(points, Math.ceil(points.length / 10)), frame)}"/>`
        : ''
      const dots = points.length <= 40 && !fade ? points.map((point) => dot(point, i, frame)).join('') : ''
      return raw + mean + dots
    })
    .join('')
}

function dot({ x, y }: Point, index: number, frame: Frame): string {
  return Number.isFinite(y)
    ? `<circle class="dot c${index}" cx="${px(frame.x(x))}" cy="${px(frame.y(y))}" r="2.5"/>`
    : ''
}

function path(points: readonly Point[], { x, y }: Frame): string {
  let pen = 'M'
  let text = ''
  for (const point of points) {
    if (!Number.isFinite(point.y)) {
      pen = 'M'
      continue
    }
    text += `${pen}${px(x(point.x))} ${px(y(point.y))}`
    pen = 'L'
  }
  return text
}

function drawBand(low: Point[], high: Point[], frame: Frame): string {
  const edge = [...high, ...low.toReversed()].filter(({ y }) => Number.isFinite(y))
  return edge.length < 3 ? '' : `<path class="band" d="${path(edge, frame)}Z"/>`
}

/** Each series raised by the ones before it; a step that a series lacks counts as 0. */
function stack(series: Layer[]): Layer[] {
  const steps = [...new Set(series.flatMap(({ points }) => points.map(({ x }) => x)))].sort((a, b) => a - b)
  const total = new Map(steps.map((x) => [x, 0]))
  return series.map(({ label, points, colour }) => {
    for (const { x, y } of points) total.set(x, total.get(x)! + (Number.isFinite(y) ? y : 0))
    return { label, colour, points: steps.map((x) => ({ x, y: total.get(x)! })) }
  })
}

function drawAreas(layers: Layer[], frame: Frame): string {
  return layers
    .map(({ points, colour }, i) => {
      const below = i === 0 ? points.map(({ x }) => ({ x, y: 0 })) : layers[i - 1]!.points
      return `<path class="area c${colour}" d="${path([...points, ...below.toReversed()], frame)}Z"/>`
    })
    .toReversed()
    .join('')
}

function drawMarks(marks: { label: string; y: number }[], { y }: Frame): string {
  return marks
    .map(
      (mark) =>
        `<line class="mark" x1="${plot.left}" x2="${plot.right}" y1="${px(y(mark.y))}" y2="${px(y(mark.y))}"/>` +
        `<text class="mark" x="${plot.right}" y="${px(y(mark.y) - 4)}" text-anchor="end">${escapeText(mark.label)}</text>`,
    )
    .join('')
}

function drawEvents(events: NonNullable<Chart['events']>, { x }: Frame): string {
  return events
    .map(({ label, x: step, colour }, i) => {
      const [at, y] = [x(step), plot.top + 12 + 15 * i]
      const right = at > (plot.left + plot.right) / 2
      return (
        `<g class="c${colour ?? i}"><line class="event" x1="${px(at)}" x2="${px(at)}" y1="${plot.top}" y2="${plot.bottom}"/>` +
        `<text class="label" x="${px(right ? at - 6 : at + 6)}" y="${y}" text-anchor="${right ? 'end' : 'start'}">${escapeText(label)}</text></g>`
      )
    })
    .join('')
}

/** A cross at the top for each value that is not finite. */
function drawBroken(series: Series[], { x }: Frame): string {
  const steps = new Set(
    series.flatMap(({ points }) => points.filter(({ y }) => !Number.isFinite(y)).map((point) => point.x)),
  )
  return [...steps]
    .map((step) => `<text class="broken" x="${px(x(step))}" y="${plot.top + 9}" text-anchor="middle">×</text>`)
    .join('')
}

/** An invisible column per step; the pointer over it shows a guide and all values. */
function drawHits(series: Series[], chart: Chart, frame: Frame): string {
  const rows = new Map<number, string[]>()
  for (const { label, points } of [...series, ...bandSeries(chart)])
    for (const { x, y } of points) rows.set(x, [...(rows.get(x) ?? []), `${label}: ${frame.format(y)}`])
  const steps = [...rows.keys()].sort((a, b) => a - b)
  return steps
    .map((step, i) => {
      const at = frame.x(step)
      const left = i === 0 ? plot.left : (frame.x(steps[i - 1]!) + at) / 2
      const right = i === steps.length - 1 ? plot.right : (frame.x(steps[i + 1]!) + at) / 2
      const title = escapeText([`step ${step}`, ...rows.get(step)!].join('\n'))
      return `<g class="hit"><title>${title}</title><rect x="${px(left)}" y="${plot.top}" width="${px(right - left)}" height="${plot.bottom - plot.top}"/><line x1="${px(at)}" x2="${px(at)}" y1="${plot.top}" y2="${plot.bottom}"/></g>`
    })
    .join('')
}

function bandSeries({ band }: Chart): Series[] {
  if (!band) return []
  return [
    { label: `${band.label}, low`, points: thin(band.low) },
    { label: `${band.label}, high`, points: thin(band.high) },
  ]
}

function legend(chart: Chart, series: Layer[]): string {
  if (series.length < 2 && !chart.band) return ''
  const items = series.map(({ label, colour }) => `<li><i class="c${colour}"></i>${escapeText(label)}</li>`)
  if (chart.band) items.push(`<li><i class="band"></i>${escapeText(chart.band.label)}</li>`)
  return `<ul class="legend">${items.join('')}</ul>`
}

const px = (value: number) => String(Math.round(value * 10) / 10)
