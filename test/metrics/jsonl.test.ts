import { appendFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { jsonlSink, readMetrics } from '../../src/metrics/jsonl.ts'
import { readSamples, type SampleRecord, samplesWriter } from '../../src/metrics/samples.ts'

let dir: string
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'rft-metrics-'))
})
afterEach(() => rmSync(dir, { recursive: true }))

const file = () => join(dir, 'metrics.jsonl')
function write(steps: number[], resumedStep?: number) {
  const sink = jsonlSink(dir, resumedStep)
  for (const step of steps) sink.step({ step, loss: step / 10 })
  sink.close()
}
const stepsIn = () => readMetrics(dir).map(({ step }) => step)

describe('metrics.jsonl', () => {
  it('holds one JSON object per line', () => {
    write([1, 2])
    expect(readFileSync(file(), 'utf8')).toBe('{"step":1,"loss":0.1}\n{"step":2,"loss":0.2}\n')
    expect(readMetrics(dir)).toEqual([
      { step: 1, loss: 0.1 },
      { step: 2, loss: 0.2 },
    ])
  })

  it('gives back every number bit for bit, finite or not', () => {
    fc.assert(
      fc.property(fc.double(), (value) => {
        const sink = jsonlSink(dir)
        sink.step({ step: 1, 'rewards/a/mean': value })
        sink.close()
        const expected = Object.is(value, -0) ? 0 : value
        expect(readMetrics(dir)).toEqual([{ step: 1, 'rewards/a/mean': expected }])
      }),
      { numRuns: 60 },
    )
  })

  it('writes what JSON lacks as strings', () => {
    const sink = jsonlSink(dir)
    sink.step({ step: 1, a: Number.NaN, b: Number.POSITIVE_INFINITY, c: Number.NEGATIVE_INFINITY })
    sink.close()
    expect(readFileSync(file(), 'utf8')).toBe('{"step":1,"a":"NaN","b":"Infinity","c":"-Infinity"}\n')
  })

  it('starts empty, continues after a step, and leaves nothing beside the file', () => {
    write([1, 2, 3, 4])
    write([3, 4], 2)
    expect(stepsIn()).toEqual([1, 2, 3, 4])
    write([1])
    expect(stepsIn()).toEqual([1])
    expect(readdirSync(dir)).toEqual(['metrics.jsonl'])
  })

  it('drops a torn last line when read and when continued, at every length of the tear', () => {
    const line = '{"step":3,"loss":0.3}'
    for (let length = 1; length < line.length; length++) {
      write([1, 2])
      appendFileSync(file(), line.slice(0, length))
      expect(stepsIn()).toEqual([1, 2])
      write([3], 2)
      expect(stepsIn()).toEqual([1, 2, 3])
    }
  })

  it('keeps a whole last line that lacks only its line end', () => {
    write([1])
    appendFileSync(file(), '{"step":2,"loss":0.2}')
    write([3], 2)
    expect(stepsIn()).toEqual([1, 2, 3])
  })

  it('names a broken line in the middle', () => {
    writeFileSync(file(), '{"step":1}\nnot json\n{"step":2}\n')
    expect(() => readMetrics(dir)).toThrow(
      /metrics\.jsonl:2: expected a JSON object with a step but received "not json"/,
    )
    writeFileSync(file(), '{"step":1}\n[1]\n{"step":2}\n')
    expect(() => readMetrics(dir)).toThrow(/metrics\.jsonl:2/)
  })

  it('has no records when there is no file', () => {
    expect(readMetrics(join(dir, 'none'))).toEqual([])
  })
})

describe('samples.jsonl', () => {
  const sample = (step: number): Omit<SampleRecord, 'images'> => ({
    step,
    id: 'train.jsonl:3',
    problem: 'How many?',
    answer: '2',
    completions: [
      { text: '<answer>2</answer>', rewards: { accuracy: 1, format: null }, total: 1, advantage: 0.5, finish: 'eos' },
    ],
  })

  it('copies each image once into the run folder', () => {
    const writer = samplesWriter(dir)
    writer.write(sample(1), [Uint8Array.of(1, 2), Uint8Array.of(3)])
    writer.write(sample(2), [Uint8Array.of(1, 2)])
    writer.close()
    const [first, second] = readSamples(dir)
    expect(first).toMatchObject(sample(1))
    expect(first!.images).toHaveLength(2)
    expect(second!.images).toEqual([first!.images[0]])
    expect(readdirSync(join(dir, 'samples'))).toHaveLength(2)
    expect([...readFileSync(join(dir, first!.images[0]!))]).toEqual([1, 2])
  })

  it('is cut when a run continues', () => {
    const writer = samplesWriter(dir)
    for (const step of [1, 2, 3]) writer.write(sample(step), [])
    writer.close()
    samplesWriter(dir, 1).close()
    expect(readSamples(dir).map(({ step }) => step)).toEqual([1])
  })
})
