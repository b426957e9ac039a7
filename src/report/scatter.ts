/** Labelled points with intervals as inline SVG: two numbers of each of a few things, such as what is gained and its price. */
import { formatNumber, formatPercent } from '../metrics/format.ts'
import { escapeText } from './html.ts'
import { niceScale, type Scale } from './scale.ts'

export interface Dot {
  label: string
  x: number
  y: number
  /** Ends of the whiskers. */
  xRange?: readonly [number, number]
  yRange?: readonly [number, number]
  /** Number of its colour; absent: its place. */
  colour?: number
}

export interface Axis {
  label: string
  percent?: boolean
  /** The axis holds this value too. */
  include?: readonly number[]
}

export interface Scatter {
  title: string
  /** One line below the title. */
  about: string
  x: Axis
  y: Axis
  dots: readonly Dot[]
  /** A line through the dots in their order. */
  joined?: boolean
}

const width = 560
const height = 320
const plot = { left: 66, right: 540, top: 14, bottom: 262 }

/** @returns a `<figure>`; nothing without dots */
export function drawScatter({ title, about, x, y, dots, joined = false }: Scatter): string {
  if (dots.length === 0) return ''
  const across = niceScale(
    dots.flatMap((dot) => [dot.x, ...(dot.xRange ?? [])]),
    x.include,
  )
  const up = niceScale(
    dots.flatMap((dot) => [dot.y, ...(dot.yRange ?? [])]),
    y.include,
  )
  const place = {
    x: (value: number) => plot.left + share(value, across) * (plot.right - plot.left),
    y: (value: number) => plot.bottom - share(value, up) * (plot.bottom - plot.top),
  }
  const line = dots.map((dot, i) => `${i === 0 ? 'M' : 'L'}${px(place.x(dot.x))} ${px(place.y(dot.y))}`).join('')
  return `<figure class="chart"><figcaption><b>${escapeText(title)}</b><span>${escapeText(about)}</span></figcaption>
<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${escapeText(title)}">${drawColumns(across, x, place.x)}${drawRows(up, y, place.y)}${joined ? `<path class="join" d="${line}"/>` : ''}${drawDots(dots, place, [x, y])}</svg></figure>`
}

const share = (value: number, { low, high }: Scale) => (value - low) / (high - low)

const tickText = ({ percent }: Axis, tick: number) =>
  escapeText(percent ? `${formatNumber(tick * 100)} %` : formatNumber(tick))

function drawColumns({ ticks }: Scale, axis: Axis, x: (value: number) => number): string {
  const lines = ticks.map(
    (tick) =>
      `<line class="grid" x1="${px(x(tick))}" x2="${px(x(tick))}" y1="${plot.top}" y2="${plot.bottom}"/>` +
      `<text x="${px(x(tick))}" y="${plot.bottom + 18}" text-anchor="middle">${tickText(axis, tick)}</text>`,
  )
  return `${lines.join('')}<text class="label" x="${(plot.left + plot.right) / 2}" y="${plot.bottom + 44}" text-anchor="middle">${escapeText(axis.label)}</text>`
}

function drawRows({ ticks }: Scale, axis: Axis, y: (value: number) => number): string {
  const lines = ticks.map(
    (tick) =>
      `<line class="grid" x1="${plot.left}" x2="${plot.right}" y1="${px(y(tick))}" y2="${px(y(tick))}"/>` +
      `<text x="${plot.left - 6}" y="${px(y(tick) + 4.5)}" text-anchor="end">${tickText(axis, tick)}</text>`,
  )
  const middle = (plot.top + plot.bottom) / 2
  return `${lines.join('')}<text class="label" transform="translate(14 ${middle}) rotate(-90)" text-anchor="middle">${escapeText(axis.label)}</text>`
}

interface Place {
  x: (value: number) => number
  y: (value: number) => number
}

function drawDots(dots: readonly Dot[], place: Place, axes: readonly [Axis, Axis]): string {
  const centres = dots.map((dot) => ({ x: place.x(dot.x), y: place.y(dot.y) }))
  const taken = centres.map(({ x, y }) => ({ left: x - 7, right: x + 7, top: y - 7, bottom: y + 7 }))
  return dots
    .map((dot, i) => {
      const box = labelBox(dot.label, centres[i]!, taken)
      taken.push(box)
      return drawDot(dot, i, place, axes, box)
    })
    .join('')
}

interface Box {
  left: number
  right: number
  top: number
  bottom: number
}

const characterWidth = 7.4
const labelHeight = 16

/** Where a label beside its dot covers least of what is there already. */
function labelBox(label: string, { x, y }: { x: number; y: number }, taken: readonly Box[]): Box {
  const long = label.length * characterWidth
  const boxes = [y - 20, y + 5, y - labelHeight / 2].flatMap((top) =>
    [x + 11, x - 11 - long].map((left) => ({ left, right: left + long, top, bottom: top + labelHeight })),
  )
  const cost = (box: Box) => {
    const outside = Math.max(0, box.right - width) + Math.max(0, plot.left - box.left)
    return 100 * outside + taken.reduce((sum, other) => sum + overlap(box, other), 0)
  }
  return boxes.reduce((best, box) => (cost(box) < cost(best) ? box : best))
}

function overlap(a: Box, b: Box): number {
  const across = Math.min(a.right, b.right) - Math.max(a.left, b.left)
  const down = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top)
  return Math.max(0, across) * Math.max(0, down)
}

function drawDot(dot: Dot, index: number, place: Place, [xAxis, yAxis]: readonly [Axis, Axis], box: Box): string {
  const [x, y] = [place.x(dot.x), place.y(dot.y)]
  const { xRange, yRange, label, colour = index } = dot
  const format = (axis: Axis, value: number) => (axis.percent ? formatPercent(value) : formatNumber(value))
  const title = `${label}\n${xAxis.label}: ${format(xAxis, dot.x)}\n${yAxis.label}: ${format(yAxis, dot.y)}`
  const whiskers = [
    ...(xRange ? [`M${px(place.x(xRange[0]))} ${px(y)}H${px(place.x(xRange[1]))}`] : []),
    ...(yRange ? [`M${px(x)} ${px(place.y(yRange[0]))}V${px(place.y(yRange[1]))}`] : []),
  ]
  const left = box.left < x
  return (
    `<g class="c${colour}"><title>${escapeText(title)}</title><path class="whisker own" d="${whiskers.join('')}"/>` +
    `<circle class="dot" cx="${px(x)}" cy="${px(y)}" r="6"/>` +
    `<text class="label" x="${px(left ? box.right : box.left)}" y="${px(box.bottom - 4)}" text-anchor="${left ? 'end' : 'start'}">${escapeText(label)}</text></g>`
  )
}

const px = (value: number) => String(Math.round(value * 10) / 10)
