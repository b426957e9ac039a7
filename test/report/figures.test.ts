import { describe, expect, it } from 'vitest'
import { drawBars } from '../../src/report/bars.ts'
import { drawChart } from '../../src/report/chart.ts'
import { drawHeatMap } from '../../src/report/heat_map.ts'
import { drawScatter } from '../../src/report/scatter.ts'

const number = (html: string, pattern: RegExp) => Number(pattern.exec(html)![1])

describe('drawBars', () => {
  const draw = (bars: Parameters<typeof drawBars>[0]['bars']) =>
    drawBars({ title: 't', about: 'a', bars, percent: true })

  it('is as long as its value, from 0, with a whisker', () => {
    const html = draw([
      { label: 'one', value: 0.2 },
      { label: 'two', value: 0.4, low: 0.3, high: 0.5 },
    ])
    const [one, two] = [...html.matchAll(/class="bar c\d" x="([\d.]+)" y="[\d.]+" width="([\d.]+)"/g)]
    expect(one![1]).toBe(two![1])
    expect(Number(two![2])).toBeCloseTo(2 * Number(one![2]), 0)
    expect(html.match(/class="whisker"/g)).toHaveLength(1)
    expect(html).toContain('two: 40.0 %, 30.0 % to 50.0 %')
  })

  it('draws below 0 to the left, escapes labels, and is nothing without bars', () => {
    const html = draw([
      { label: '<b>', value: -0.2 },
      { label: 'c', value: 0.2 },
    ])
    expect(html).toContain('&lt;b&gt;')
    const [left, right] = [...html.matchAll(/class="bar c\d" x="([\d.]+)"/g)].map((match) => Number(match[1]))
    expect(left).toBeLessThan(right!)
    expect(draw([])).toBe('')
  })
})

describe('drawScatter', () => {
  const axes = { title: 't', about: 'a', x: { label: 'price' }, y: { label: 'gain', percent: true } }

  it('puts dots in the order of their values, up for more', () => {
    const html = drawScatter({
      ...axes,
      dots: [
        { label: 'a', x: 1, y: 0.2, yRange: [0.1, 0.3] },
        { label: 'b', x: 2, y: 0.8, colour: 5 },
      ],
    })
    const [a, b] = [...html.matchAll(/cx="([\d.]+)" cy="([\d.]+)"/g)].map((match) => [
      Number(match[1]),
      Number(match[2]),
    ])
    expect(a![0]).toBeLessThan(b![0]!)
    expect(a![1]).toBeGreaterThan(b![1]!)
    expect(html).toContain('<g class="c5">')
    expect(html).toContain('gain: 80.0 %')
    expect(drawScatter({ ...axes, dots: [] })).toBe('')
  })
})

it('drawScatter keeps labels of close dots apart', () => {
  const html = drawScatter({
    ...{ title: 't', about: 'a', x: { label: 'x' }, y: { label: 'y' } },
    dots: [
      { label: 'first', x: 1, y: 1 },
      { label: 'second', x: 1.001, y: 1 },
      { label: 'far', x: 2, y: 2 },
    ],
  })
  const places = [...html.matchAll(/class="label" x="([\d.]+)" y="([\d.]+)" text-anchor="(start|end)">(first|second)/g)]
  const [first, second] = places.map(([, x, y, anchor]) => ({ x: Number(x), y: Number(y), anchor }))
  expect(places).toHaveLength(2)
  expect(Math.abs(first!.y - second!.y) >= 15 || first!.anchor !== second!.anchor).toBe(true)
})

describe('drawHeatMap', () => {
  it('colours by sign and by size', () => {
    const html = drawHeatMap({
      ...{ title: 't', about: 'a', rowsAre: 'trained', columnsAre: 'tested', rows: ['r'], columns: ['x', 'y', 'z'] },
      values: [[10, -5, 0]],
      notes: [['8 to 12', '', '']],
    })
    const squares = [...html.matchAll(/class="(better|worse)".*?fill-opacity="([\d.]+)"/g)].map((match) => [
      match[1],
      match[2],
    ])
    expect(squares).toEqual([
      ['better', '0.66'],
      ['worse', '0.36'],
      ['better', '0.06'],
    ])
    expect(html).toContain('8 to 12')
    expect(html).toContain('r → y')
  })
})

describe('drawChart', () => {
  const points = [
    { x: 0, y: 1 },
    { x: 10, y: 2 },
  ]

  it('keeps the colours of series beside one that is missing', () => {
    const html = drawChart({
      ...{ title: 't', about: 'a' },
      series: [
        { label: 'none', points: [], colour: 0 },
        { label: 'one', points, colour: 3 },
        { label: 'two', points },
      ],
    })
    expect([...html.matchAll(/class="line (c\d)"/g)].map((match) => match[1])).toEqual(['c3', 'c1'])
    expect(html).toContain('<i class="c3"></i>one')
  })

  it('marks events where they happened', () => {
    const html = drawChart({
      title: 't',
      about: 'a',
      series: [{ label: 'one', points }],
      events: [{ label: 'alarm', x: 5 }],
    })
    expect(number(html, /class="event" x1="([\d.]+)"/)).toBeCloseTo((60 + 548) / 2, 0)
    expect(html).toContain('>alarm</text>')
  })
})
