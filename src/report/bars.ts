/** Horizontal bars with intervals as inline SVG: a number for each of a few things, to be compared at a glance. */
import { formatNumber, formatPercent } from '../metrics/format.ts'
import { escapeText } from './html.ts'
import { niceScale } from './scale.ts'

export interface Bar {
  label: string
  value: number
  /** Ends of the whisker. */
  low?: number
  high?: number
  /** Number of its colour; absent: its place. */
  colour?: number
}

export interface Bars {
  title: string
  /** One line below the title. */
  about: string
  bars: readonly Bar[]
  /** Vertical dashed lines. */
  marks?: readonly { label: string; x: number }[]
  percent?: boolean
}

const width = 560
const row = 34
const plot = { left: 168, right: 490, top: 18 }

/** @returns a `<figure>`; nothing without bars */
export function drawBars({ title, about, bars, marks = [], percent = false }: Bars): string {
  if (bars.length === 0) return ''
  const values = bars.flatMap(({ value, low = value, high = value }) => [value, low, high])
  const scale = niceScale(values, [0, ...marks.map((mark) => mark.x)])
  const bottom = plot.top + bars.length * row
  const x = (value: number) => plot.left + ((value - scale.low) / (scale.high - scale.low)) * (plot.right - plot.left)
  const tickText = percent ? (share: number) => `${formatNumber(share * 100)} %` : formatNumber
  const format = percent ? formatPercent : formatNumber
  const grid = scale.ticks.map(
    (tick) =>
      `<line class="grid" x1="${px(x(tick))}" x2="${px(x(tick))}" y1="${plot.top}" y2="${bottom}"/>` +
      `<text x="${px(x(tick))}" y="${bottom + 18}" text-anchor="middle">${escapeText(tickText(tick))}</text>`,
  )
  const lines = marks.map(
    (mark) =>
      `<line class="mark strong" x1="${px(x(mark.x))}" x2="${px(x(mark.x))}" y1="${plot.top - 4}" y2="${bottom}"/>` +
      `<text class="mark" x="${px(x(mark.x))}" y="${plot.top - 7}" text-anchor="middle">${escapeText(mark.label)}</text>`,
  )
  const drawn = bars.map((bar, i) => drawBar(bar, i, x, format))
  return `<figure class="chart"><figcaption><b>${escapeText(title)}</b><span>${escapeText(about)}</span></figcaption>
<svg viewBox="0 0 ${width} ${bottom + 26}" role="img" aria-label="${escapeText(title)}">${grid.join('')}${drawn.join('')}${lines.join('')}</svg></figure>`
}

function drawBar(bar: Bar, place: number, x: (value: number) => number, format: (value: number) => string): string {
  const { label, value, low, high, colour = place } = bar
  const middle = plot.top + (place + 0.5) * row
  const [from, to] = [Math.min(x(0), x(value)), Math.max(x(0), x(value))]
  const whisker =
    low === undefined || high === undefined
      ? ''
      : `<path class="whisker" d="M${px(x(low))} ${middle}H${px(x(high))}M${px(x(low))} ${middle - 5}v10M${px(x(high))} ${middle - 5}v10"/>`
  const range = whisker === '' ? '' : `, ${format(low!)} to ${format(high!)}`
  return (
    `<g><title>${escapeText(`${label}: ${format(value)}${range}`)}</title>` +
    `<text class="label" x="${plot.left - 10}" y="${middle + 5}" text-anchor="end">${escapeText(label)}</text>` +
    `<rect class="bar c${colour}" x="${px(from)}" y="${middle - 9}" width="${px(to - from)}" height="18"/>${whisker}` +
    `<text class="value" x="${width - 4}" y="${middle + 5}" text-anchor="end">${escapeText(format(value))}</text></g>`
  )
}

const px = (value: number) => String(Math.round(value * 10) / 10)
