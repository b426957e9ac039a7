/** A table of numbers as coloured squares, as inline SVG: what each of a few things does to each of a few others. */
import { formatNumber } from '../metrics/format.ts'
import { escapeText } from './html.ts'

export interface HeatMap {
  title: string
  /** One line below the title. */
  about: string
  rows: readonly string[]
  columns: readonly string[]
  /** What rows and columns are. */
  rowsAre: string
  columnsAre: string
  /** By row, then column. 0 is neutral; above it good, below it bad. */
  values: readonly (readonly number[])[]
  /** A second line in each square, such as an interval. */
  notes?: readonly (readonly string[])[]
  format?: (value: number) => string
}

const width = 560
const plot = { left: 128, top: 52, right: 552, row: 54 }

/** @returns a `<figure>`; nothing without values */
export function drawHeatMap(map: HeatMap): string {
  const { title, about, rows, columns, values } = map
  if (rows.length === 0 || columns.length === 0) return ''
  const across = (plot.right - plot.left) / columns.length
  const most = values.flat().reduce((max, value) => Math.max(max, Math.abs(value)), 0)
  const head = columns.map(
    (name, c) =>
      `<text class="label" x="${px(plot.left + (c + 0.5) * across)}" y="${plot.top - 10}" text-anchor="middle">${escapeText(name)}</text>`,
  )
  const side = rows.map(
    (name, r) =>
      `<text class="label" x="${plot.left - 10}" y="${px(plot.top + (r + 0.5) * plot.row + 5)}" text-anchor="end">${escapeText(name)}</text>`,
  )
  const squares = values.flatMap((line, r) =>
    line.map((_, c) => drawSquare(map, r, c, { across, strength: most === 0 ? 0 : Math.abs(values[r]![c]!) / most })),
  )
  return `<figure class="chart"><figcaption><b>${escapeText(title)}</b><span>${escapeText(about)}</span></figcaption>
<svg viewBox="0 0 ${width} ${plot.top + rows.length * plot.row + 6}" role="img" aria-label="${escapeText(title)}"><text x="${plot.left - 10}" y="${plot.top - 10}" text-anchor="end">${escapeText(map.rowsAre)} ↓</text><text x="${px((plot.left + plot.right) / 2)}" y="18" text-anchor="middle">${escapeText(map.columnsAre)} →</text>${head.join('')}${side.join('')}${squares.join('')}</svg></figure>`
}

function drawSquare(map: HeatMap, r: number, c: number, { across, strength }: { across: number; strength: number }) {
  const value = map.values[r]![c]!
  const [x, y] = [plot.left + c * across, plot.top + r * plot.row]
  const note = map.notes?.[r]?.[c]
  const middle = px(x + across / 2)
  const text = escapeText((map.format ?? formatNumber)(value))
  return (
    `<g><title>${escapeText(`${map.rows[r]} → ${map.columns[c]}`)}: ${text}</title>` +
    `<rect class="${value < 0 ? 'worse' : 'better'}" x="${px(x + 2)}" y="${y + 2}" width="${px(across - 4)}" height="${plot.row - 4}" rx="4" fill-opacity="${(0.06 + 0.6 * strength).toFixed(2)}"/>` +
    `<text class="value" x="${middle}" y="${y + plot.row / 2 + (note ? -1 : 5)}" text-anchor="middle">${text}</text>` +
    `${note ? `<text class="small" x="${middle}" y="${y + plot.row / 2 + 15}" text-anchor="middle">${escapeText(note)}</text>` : ''}</g>`
  )
}

const px = (value: number) => String(Math.round(value * 10) / 10)
