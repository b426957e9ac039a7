import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { InputError } from '../../src/core/errors.ts'
import { checkRows, requireSound } from '../../src/data/check.ts'
import { readLines } from '../../src/data/lines.ts'
import { loadRows, type ReadOptions, readRow } from '../../src/data/rows.ts'

let dir: string
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'rft-data-'))
})
afterAll(() => rm(dir, { recursive: true }))

let files = 0
async function load(content: string | Uint8Array, options?: ReadOptions) {
  const file = join(dir, `${files++}.jsonl`)
  await writeFile(file, content)
  return { file, rows: await loadRows([file], options) }
}
const failure = async (content: string | Uint8Array, options?: ReadOptions): Promise<InputError> => {
  try {
    await load(content, options)
  } catch (error) {
    expect(error).toBeInstanceOf(InputError)
    return error as InputError
  }
  throw new Error('no error')
}
const row = (more: object = {}) => JSON.stringify({ problem: 'q', answer: '1', ...more })

describe('loadRows', () => {
  test('reads rows with their line numbers; BOM, CRLF, blank lines and a missing last newline are fine', async () => {
    const { file, rows } = await load(`\ufeff${row()}\r\n\r\n  \n${row({ answer: 2 })}\n${row({ problem: 'é😀' })}`)
    expect(rows.map(({ id }) => id)).toEqual([`${file}:1`, `${file}:4`, `${file}:5`])
    expect(rows[1]!.answer).toBe('2')
    expect(rows[2]!.messages).toEqual([{ role: 'user', content: 'é😀' }])
  })

  test('several files come one after the other', async () => {
    const a = join(dir, 'a.jsonl')
    const b = join(dir, 'b.jsonl')
    await writeFile(a, row({ answer: 'a' }))
    await writeFile(b, row({ answer: 'b' }))
    expect((await loadRows([b, a])).map(({ answer }) => answer)).toEqual(['b', 'a'])
  })

  test('image paths start from the data file, or from imageRoot; absolute ones stay', async () => {
    const text = row({ images: ['a/1.png', '../2.png', '/3.png'] })
    const paths = ({ rows }: Awaited<ReturnType<typeof load>>) => rows[0]!.images
    expect(paths(await load(text))).toEqual([
      { path: join(dir, 'a/1.png') },
      { path: join(dir, '../2.png') },
      { path: '/3.png' },
    ])
    expect(paths(await load(text, { imageRoot: '/data' }))[0]).toEqual({ path: '/data/a/1.png' })
  })

  test.each<[string, string | Uint8Array, RegExp]>([
    [
      'JSON that ends early',
      `${row()}\n{"problem": "q`,
      /\.jsonl:2: expected a JSON object but received "{\\?"problem.*Each line is one JSON object/,
    ],
    ['an array', '[]', /\.jsonl:1: expected a JSON object but received \[\]/],
    ['a JSON file over several lines', '[\n{}\n]', /\.jsonl:1: expected a JSON object/],
    ['a number', '1', /:1: expected a JSON object but received 1/],
    ['null', 'null', /:1: expected a JSON object but received null/],
    ['nothing', '', /at least one row but received "an empty dataset"/],
    ['blank lines only', '\n\n \n', /at least one row/],
    ['bytes that are not UTF-8', Uint8Array.of(0x7b, 0xff, 0x7d), /:1: expected UTF-8 text/],
    [
      'unknown columns',
      '{"question": "q"}',
      /:1: expected the columns of verl .* or trl .* or easyr1 .* but received \["question"\]/,
    ],
    ['a problem that is no text', '{"problem": 5, "answer": 1}', /expected the columns/],
    ['own __proto__', '{"__proto__": {"problem": "q"}}', /expected the columns/],
  ])('%s', async (_, content, message) => {
    expect((await failure(content)).message).toMatch(message)
  })

  test('a missing file and a missing folder', async () => {
    await expect(loadRows([join(dir, 'gone.jsonl')])).rejects.toThrow(/gone\.jsonl: expected an existing file/)
    await expect(loadRows([join(dir, 'nowhere')])).rejects.toThrow(/expected an existing file or dataset folder/)
  })

  test('no files', async () => {
    await expect(loadRows([])).rejects.toThrow(/at least one row/)
  })

  test('a line above the limit', async () => {
    const long = row({ note: 'x'.repeat(1000) })
    expect((await failure(`${row()}\n${long}`, { maxLineBytes: 500 })).message).toMatch(
      /:2: expected a line of at most 500/,
    )
    expect((await failure('x'.repeat(1_000_000), { maxLineBytes: 500 })).message).toMatch(
      /:1: expected a line of at most/,
    )
    expect((await load(long, { maxLineBytes: 2000 })).rows).toHaveLength(1)
  })

  test('deep nesting is an error or a value, not a crash', async () => {
    const deep = `{"problem":"q","answer":"1","x":${'['.repeat(200_000)}${']'.repeat(200_000)}}`
    const outcome = await load(deep).then(
      ({ rows }) => rows.length,
      (error) => error,
    )
    expect(outcome === 1 || outcome instanceof InputError || outcome instanceof RangeError).toBe(true)
  })
})

describe('readLines', () => {
  test('gives the lines of any text, wherever the file’s chunks end', async () => {
    const text = fc.array(fc.constantFrom('\n', '\r\n', 'a', 'é', '😀', 'x'.repeat(70_000)), { maxLength: 20 })
    let k = 0
    await fc.assert(
      fc.asyncProperty(text, async (pieces) => {
        const whole = pieces.join('')
        const file = join(dir, `lines-${k++ % 4}`)
        await writeFile(file, whole)
        const lines: string[] = []
        for await (const line of readLines(file, 10_000_000)) {
          lines.push(line.text)
          expect(line.number).toBe(lines.length)
        }
        const expected = whole.split('\n').map((line) => line.replace(/\r$/, ''))
        if (expected.at(-1) === '' && !whole.endsWith('\r')) expected.pop()
        expect(lines).toEqual(expected)
      }),
      { numRuns: 60 },
    )
  })
})

describe('readRow', () => {
  test('leaves the raw row as it is and keeps the columns it does not use', () => {
    const raw = Object.freeze({
      problem: '<image>q',
      answer: 3,
      images: Object.freeze(['a.png']),
      kind: 'count',
      extra: { a: [1] },
    })
    const read = readRow(raw, 'x:1', '/')
    expect(read.columns).toEqual({ kind: 'count', extra: { a: [1] } })
    expect(Object.isFrozen(read.columns)).toBe(true)
  })

  test('a column called __proto__ stays a column', () => {
    const raw = JSON.parse('{"problem":"q","answer":"1","__proto__":{"polluted":true}}')
    const { columns } = readRow(raw, 'x:1', '/')
    expect(Object.keys(columns)).toEqual(['__proto__'])
    expect((columns as { polluted?: boolean }).polluted).toBeUndefined()
  })

  test('an explicit format wins over what the columns look like', () => {
    const raw = { prompt: 'p', problem: 'q', answer: '1' }
    const ask = (format?: 'easyr1' | 'trl' | 'auto') => readRow(raw, 'x:1', '/', { format }).messages[0]!.content
    expect([ask(), ask('auto'), ask('trl'), ask('easyr1')]).toEqual(['p', 'p', 'p', 'q'])
    expect(() => readRow({ prompt: 'p' }, 'x:1', '/', { format: 'easyr1' })).toThrow(/x:1 problem: expected a text/)
  })

  test('wraps the question and adds the system message', () => {
    const raw = { problem: '<image>How many?', answer: '1', images: ['a.png'] }
    const options = { system: 'Be brief.', template: 'Look: {problem} Think first.' }
    expect(readRow(raw, 'x:1', '/', options).messages).toEqual([
      { role: 'system', content: 'Be brief.' },
      {
        role: 'user',
        content: [
          { type: 'text', text: 'Look: ' },
          { type: 'image' },
          { type: 'text', text: 'How many? Think first.' },
        ],
      },
    ])
    const prompt = [
      { role: 'system', content: 'Own.' },
      { role: 'user', content: 'a' },
      { role: 'assistant', content: 'b' },
      { role: 'user', content: 'a {problem} $& c' },
    ]
    expect(readRow({ prompt }, 'x:1', '/', options).messages.map(({ content }) => content)).toEqual([
      'Own.',
      'a',
      'b',
      'Look: a {problem} $& c Think first.',
    ])
  })

  test('any JSON object is a row or an InputError that names it', () => {
    const value = fc.jsonValue()
    const name = fc.constantFrom(
      'problem',
      'prompt',
      'answer',
      'solution',
      'image',
      'images',
      'target',
      'completion',
      '__proto__',
      'x',
    )
    const block = fc.record(
      { type: fc.constantFrom<unknown>('text', 'image', 'video', 1), text: value, image: value },
      { requiredKeys: [] },
    )
    const message = fc.record(
      {
        role: fc.constantFrom<unknown>('user', 'assistant', 'system', 'bad', 1),
        content: fc.oneof(fc.string(), fc.array(block), value),
      },
      { requiredKeys: [] },
    )
    const any = fc.oneof(
      value,
      fc.string(),
      fc.array(fc.oneof(message, value)),
      fc.constant('<image>'),
      fc.constant(['a.png', { path: 'b' }]),
    )
    fc.assert(
      fc.property(
        fc.dictionary(name, any),
        fc.constantFrom<ReadOptions['format']>('auto', 'easyr1', 'trl'),
        (raw, format) => {
          const before = JSON.stringify(raw)
          try {
            const read = readRow(raw, 'file.jsonl:7', '/', { format })
            expect(read.messages.length).toBeGreaterThan(0)
            expect(read.messages.at(-1)!.role).not.toBe('assistant')
          } catch (error) {
            expect(error).toBeInstanceOf(InputError)
            expect((error as Error).message).toContain('file.jsonl:7')
          }
          expect(JSON.stringify(raw)).toBe(before)
        },
      ),
      { numRuns: 3000 },
    )
  })
})

describe('checkRows', () => {
  test('counts what is there and names what is not', async () => {
    await writeFile(join(dir, 'here.png'), 'x')
    const image = { images: ['here.png'], problem: '<image>q' }
    const { file, rows } = await load(
      [
        row({ ...image, target: 't', kind: 'a' }),
        row({ ...image, kind: 'b' }),
        row({ images: ['gone.png'], problem: '<image>q' }),
        row({ images: ['here.png'], problem: '<image><image>q' }),
        row({ problem: '<image>q', answer: null }),
        row({ images: ['.'], problem: '<image>q' }),
        row({ images: ['here.png', 'here.png'] }),
      ].join('\n'),
    )
    const summary = await checkRows(rows)
    expect(summary).toMatchObject({ rows: 7, images: 7, imageFiles: 3, answers: 6, targets: 1, columns: { kind: 2 } })
    expect(summary.missing).toEqual(expect.arrayContaining([join(dir, 'gone.png'), dir]))
    expect(summary.missing).toHaveLength(2)
    expect(summary.problems.map(({ where }) => where)).toEqual([3, 4, 5, 6].map((line) => `${file}:${line}`))
    expect(summary.problems.map(({ message }) => message.replace(file, 'f').replace(dir, ''))).toEqual([
      'f:3: expected an existing image file but received "/gone.png". Relative paths start from data.imageRoot.',
      expect.stringContaining('f:4: expected as many images as placeholders (2) but received "1 images"'),
      expect.stringContaining('f:5: expected as many images as placeholders (1) but received "0 images"'),
      expect.stringContaining('f:6: expected an existing image file'),
    ])
    expect(() => requireSound(summary)).toThrow(/:3: expected an existing image file .*\(and 3 more rows at fault\)/)
  })

  test('a sound dataset passes', async () => {
    const { rows } = await load(row())
    requireSound(await checkRows(rows))
  })
})
