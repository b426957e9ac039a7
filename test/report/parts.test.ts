import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { clip, escapeHtml, escapeText } from '../../src/report/html.ts'
import { highlight } from '../../src/report/samples.ts'
import { niceScale, stepTicks } from '../../src/report/scale.ts'
import { smooth, thin } from '../../src/report/series.ts'

describe('escape', () => {
  it('leaves no markup of the text, whatever it is', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(escapeHtml(text).replaceAll(/<i class="code">U\+[0-9A-F]+<\/i>/g, '')).not.toMatch(/[<>"']/)
        expect(escapeText(text)).not.toMatch(/[<>"']/)
        expect(Buffer.from(escapeHtml(text)).toString()).toBe(escapeHtml(text))
      }),
    )
  })

  it('keeps ordinary text of all scripts', () => {
    for (const text of ['plain\n\ttext', 'ไทย 日本語 العربية', '👩🏽 é']) expect(escapeHtml(text)).toBe(text)
  })

  it('clips long text and says so', () => {
    expect(clip('abcdef', 4)).toBe('abcd ... (2 more characters)')
    expect(clip('abcd', 4)).toBe('abcd')
  })
})

describe('highlight', () => {
  it.each([
    ['<think>a</think>b', '<span class="think">&lt;think&gt;a&lt;/think&gt;</span>b'],
    ['<answer>never closed', '<span class="answer">&lt;answer&gt;never closed</span>'],
    ['</answer><b>', '&lt;/answer&gt;&lt;b&gt;'],
    ['<think>a</answer></think>', '<span class="think">&lt;think&gt;a&lt;/answer&gt;&lt;/think&gt;</span>'],
  ])('%s', (text, html) => {
    expect(highlight(text)).toBe(html)
  })

  it('is quick on text made to be slow', () => {
    const begin = performance.now()
    highlight('<think>'.repeat(50_000))
    expect(performance.now() - begin).toBeLessThan(1000)
  })
})

describe('niceScale', () => {
  it('covers the values with few round ticks', () => {
    fc.assert(
      fc.property(fc.array(fc.double({ min: -1e9, max: 1e9, noNaN: true }), { minLength: 1 }), (values) => {
        const spread = Math.max(...values) - Math.min(...values)
        const size = Math.max(...values.map(Math.abs))
        fc.pre(spread === 0 || spread > size * 1e-6)
        const { low, high, ticks } = niceScale(values)
        expect(low).toBeLessThanOrEqual(Math.min(...values) + spread * 1e-6 + 1e-30)
        expect(high).toBeGreaterThanOrEqual(Math.max(...values) - spread * 1e-6 - 1e-30)
        expect(high).toBeGreaterThan(low)
        expect(ticks.length).toBeGreaterThanOrEqual(2)
        expect(ticks.length).toBeLessThanOrEqual(8)
      }),
      { numRuns: 2000 },
    )
  })

  it.each([
    [[0, 1], { low: 0, high: 1, ticks: [0, 0.25, 0.5, 0.75, 1] }],
    [[], { low: 0, high: 1, ticks: [0, 0.25, 0.5, 0.75, 1] }],
    [[0, 0.93, Number.NaN], { low: 0, high: 1, ticks: [0, 0.25, 0.5, 0.75, 1] }],
  ])('%j', (values, scale) => {
    expect(niceScale(values)).toEqual(scale)
  })

  it('ticks steps at whole numbers', () => {
    expect(stepTicks(1, 60)).toEqual([10, 20, 30, 40, 50, 60])
    expect(stepTicks(3, 3)).toEqual([3])
    expect(stepTicks(0, 2)).toEqual([0, 1, 2])
  })
})

describe('series', () => {
  const points = (...values: number[]) => values.map((y, x) => ({ x, y }))

  it('averages neighbours and lets no broken value disappear', () => {
    expect(thin(points(1, 3, 5, 7), 2)).toEqual([
      { x: 1, y: 2 },
      { x: 3, y: 6 },
    ])
    expect(thin(points(1, Number.NaN, 5, 7), 2)[0]!.y).toBeNaN()
    expect(thin(points(1, 2), 2)).toEqual(points(1, 2))
  })

  it('smooths over the latest finite values', () => {
    expect(smooth(points(1, 3, Number.NaN, 5), 2).map(({ y }) => y)).toEqual([1, 2, 2, 4])
  })
})
