/** One chart: uPlot with the page's colours, a running mean over a pale raw line, a band, stacked bars, and a legend. */
import { formatNumber, formatPercent, h } from './dom.js'
import { colorIndex, state } from './state.js'
import uPlot from './uplot.js'

const HEIGHT = 200
const MOST_BARS = 60
const sync = uPlot.sync('steps')

const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim()
const faded = (color, share) => `color-mix(in srgb, ${color} ${share * 100}%, transparent)`

/** Exponential running mean without the bias of its start; NaN and gaps are passed over. */
function smooth(values, weight) {
  if (weight === 0) return values
  let [mean, mass] = [0, 0]
  return values.map((value) => {
    if (!Number.isFinite(value) || value === null) return null
    mean = weight * mean + (1 - weight) * value
    mass = weight * mass + (1 - weight)
    return mean / mass
  })
}

/** The rows of several runs on one axis: x, and per line a column that is null where a run has no value. */
function join(lines) {
  const xs = [...new Set(lines.flatMap(({ run }) => run.steps))].sort((a, b) => a - b)
  const at = new Map(xs.map((x, i) => [x, i]))
  const columns = lines.map(({ run, name }) => {
    const out = new Array(xs.length).fill(null)
    for (const [i, value] of run.column(name).entries()) if (value !== null) out[at.get(run.steps[i])] = value
    return out
  })
  return { xs, columns }
}

/** Means over buckets, so that bars stay wide enough to see. */
function bucket(xs, columns) {
  const size = Math.ceil(xs.length / MOST_BARS)
  const count = Math.ceil(xs.length / size)
  const mean = (values) => values.reduce((sum, value) => sum + (Number.isFinite(value) ? value : 0), 0) / values.length
  const part = (values, i) => values.slice(i * size, (i + 1) * size)
  return {
    xs: Array.from({ length: count }, (_, i) => part(xs, i).at(-1)),
    columns: columns.map((column) => Array.from({ length: count }, (_, i) => mean(part(column, i)))),
  }
}

export class Plot {
  constructor(chart) {
    this.legend = h('ul', { class: 'legend' })
    this.box = h('div', { class: 'plot' })
    this.node = h(
      'figure',
      { class: 'chart', 'data-chart': chart.key },
      h('figcaption', {}, h('b', {}, chart.title), h('span', {}, chart.about)),
      this.box,
      this.legend,
    )
    this.resize = new ResizeObserver(() => {
      const width = this.box.clientWidth
      if (this.plot && width > 0 && width !== this.plot.width) this.plot.setSize({ width, height: HEIGHT })
    })
    this.resize.observe(this.box)
    this.chart = chart
  }

  /** Draws the chart as it is now. */
  update(chart) {
    this.chart = chart
    const width = this.box.clientWidth
    if (width === 0) return // out of sight
    const { data, series, bands, shape } = chart.bars ? this.bars(chart) : this.lines(chart)
    if (this.plot && this.shape === shape) this.plot.setData(data, !this.zoomed)
    else {
      this.plot?.destroy()
      this.plot = new uPlot(this.options(chart, series, bands, width), data, this.box)
      this.shape = shape
    }
    this.showLegend(null)
  }

  /** Colours changed. */
  restyle() {
    this.shape = null
    this.update(this.chart)
  }

  destroy() {
    this.resize.disconnect()
    this.plot?.destroy()
  }

  lines(chart) {
    const { xs, columns } = join(chart.lines)
    const weight = chart.raw || xs.length < 12 ? 0 : state.smoothing
    const several = chart.lines.length > 1 && new Set(chart.lines.map(({ run }) => run)).size > 1
    const finite = columns.map((column) => column.map((value) => (Number.isFinite(value) ? value : null)))
    this.broken = [
      ...new Set(columns.flatMap((column) => xs.filter((_, i) => column[i] !== null && !Number.isFinite(column[i])))),
    ]
    this.values = columns
    this.xs = xs
    this.colors = chart.lines.map(({ run }, i) => css(`--c${several ? colorIndex(run) : i % 8}`))
    const series = [{}]
    const data = [xs]
    for (const [i, column] of finite.entries()) {
      const color = this.colors[i]
      if (weight > 0) {
        series.push({ stroke: faded(color, 0.28), width: 1, spanGaps: true, points: { show: false } })
        data.push(column)
      }
      series.push({
        stroke: color,
        width: 2,
        spanGaps: true,
        points: { show: xs.length < 40 && weight === 0, size: 5, fill: color },
      })
      data.push(smooth(column, weight))
    }
    const bands = chart.band ? this.band(chart, series, data) : []
    return { data, series, bands, shape: [series.length, weight > 0, xs.length < 40, this.colors.join()].join(' ') }
  }

  band(chart, series, data) {
    const { low, high, middle, spread } = chart.band
    const edge = (sign) =>
      middle.map((value, i) => (Number.isFinite(value) && value !== null ? value + sign * (spread[i] ?? 0) : null))
    const edges = middle ? [edge(1), edge(-1)] : [high, low]
    if (edges.some((column) => column.every((value) => value === null))) return []
    for (const column of edges) {
      series.push({ stroke: 'transparent', spanGaps: true, points: { show: false } })
      data.push(column.length === data[0].length ? column : new Array(data[0].length).fill(null))
    }
    return [{ series: [series.length - 2, series.length - 1], fill: faded(this.colors[0], 0.13) }]
  }

  bars(chart) {
    const joined = join(chart.lines)
    const { xs, columns } = bucket(joined.xs, joined.columns)
    this.values = columns
    this.xs = xs
    this.broken = []
    this.colors = chart.lines.map((_, i) => css(`--c${i % 8}`))
    const totals = xs.map(() => 0)
    const stacked = columns.map((column) => column.map((value, i) => (totals[i] += value)))
    const paths = uPlot.paths.bars({ size: [0.86, 60] })
    // The highest first: the others are drawn over it.
    const order = stacked.map((_, i) => i).reverse()
    const series = [
      {},
      ...order.map((i) => ({ stroke: this.colors[i], fill: this.colors[i], width: 0, paths, points: { show: false } })),
    ]
    return {
      data: [xs, ...order.map((i) => stacked[i])],
      series,
      bands: [],
      shape: `bars ${series.length} ${this.colors.join()}`,
    }
  }

  options(chart, series, bands, width) {
    const tickText = (tick) => (chart.percent ? `${formatNumber(tick * 100)} %` : formatNumber(tick))
    const [ink, rule] = [css('--soft'), css('--rule')]
    const font = '12px system-ui, sans-serif'
    const axis = { stroke: ink, font, grid: { stroke: rule, width: 1 }, ticks: { stroke: rule, width: 1, size: 4 } }
    return {
      ...{ width, height: HEIGHT, series, bands, legend: { show: false } },
      scales: {
        x: { time: false, range: (_, low, high) => (low === high ? [low - 1, high + 1] : [low, high]) },
        y: { range: (_, low, high) => yRange(low, high, chart.zero) },
      },
      axes: [
        {
          ...axis,
          grid: { show: false },
          size: 28,
          values: (_, ticks) => ticks.map((tick) => (Number.isInteger(tick) ? String(tick) : '')),
        },
        { ...axis, size: 58, values: (_, ticks) => ticks.map(tickText) },
      ],
      cursor: {
        y: false,
        sync: { key: sync.key, setSeries: false },
        points: { show: !chart.bars, size: 6 },
        drag: { x: true, y: false, setScale: true },
      },
      hooks: {
        setCursor: [(plot) => this.showLegend(plot.cursor.idx)],
        setScale: [(plot, key) => key === 'x' && this.noteZoom(plot)],
        draw: [(plot) => this.drawBroken(plot)],
      },
    }
  }

  noteZoom(plot) {
    const { min, max } = plot.scales.x
    this.zoomed = this.xs.length > 1 && (min > this.xs[0] || max < this.xs.at(-1))
  }

  /** A cross on top for each value that is not finite. */
  drawBroken({ ctx, bbox, valToPos }) {
    ctx.save()
    ctx.fillStyle = css('--bad')
    ctx.font = `bold ${14 * devicePixelRatio}px system-ui, sans-serif`
    ctx.textAlign = 'center'
    for (const x of this.broken) ctx.fillText('×', valToPos(x, 'x', true), bbox.top + 12 * devicePixelRatio)
    ctx.restore()
  }

  /** Values under the pointer, or the last ones. */
  showLegend(index) {
    const { lines, percent } = this.chart
    const format = percent ? formatPercent : formatNumber
    const items = lines.map(({ label }, i) => {
      const column = this.values?.[i] ?? []
      const value = index === null || index === undefined ? column.findLast((one) => one !== null) : column[index]
      const swatch = h('i', {})
      swatch.style.background = this.colors?.[i] ?? ''
      return h('li', {}, swatch, `${label} `, h('b', {}, format(value ?? null)))
    })
    if (index !== null && index !== undefined && this.xs) items.unshift(h('li', {}, `step ${this.xs[index] ?? ''}`))
    this.legend.replaceChildren(...items)
  }
}

function yRange(low, high, zero) {
  if (low === null || high === null) return [0, 1]
  const [a, b] = zero ? [Math.min(0, low), Math.max(0, high)] : [low, high]
  // Rounding makes a constant look like a tiny range, which has no ticks.
  const size = Math.max(Math.abs(a), Math.abs(b))
  const room = b - a > 1e-9 * size ? (b - a) * 0.06 : size * 0.2 || 1
  return [zero && a === 0 ? 0 : a - room, b + room]
}
