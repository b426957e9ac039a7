/** `rft filter` on a tiny model: what is kept, that a stopped command goes on, and that what it writes can be trained on. */
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { writtenRow } from '../../src/cli/filter/written_row.ts'
import { configSchema } from '../../src/config/schema.ts'
import { loadRows } from '../../src/data/index.ts'
import { train } from '../../src/trainer/train.ts'
import { fixture } from '../harness/fixtures.ts'
import { temporaryFolder } from '../trainer/runs.ts'
import { tinyVlInput, writeTinyVl } from '../trainer/tiny_vl.ts'
import { rft } from './harness.ts'

const folder = temporaryFolder()
const at = (name: string) => join(folder.dir, name)
const data = at('data/train.jsonl')
beforeAll(async () => {
  await writeTinyVl(folder.dir)
  // Right about half the time, whatever the model says.
  writeFileSync(
    at('even.mjs'),
    "export default { name: 'accuracy', score: ({ completion }) => (completion.length % 2 === 0 ? 1 : 0) }",
  )
  const template = '{problem}\nThink first.'
  const input = tinyVlInput(folder.dir, at('run'), {
    ...{ rewards: [{ file: at('even.mjs') }], data: { train: [data], template } },
  })
  writeFileSync(at('run.yaml'), JSON.stringify(input))
})
afterAll(() => folder.remove())

const filter = (out: string, ...flags: string[]) =>
  rft(['filter', at('run.yaml'), '--out', at(out), '--together', '5', ...flags])
const lines = (out: string) =>
  readFileSync(at(out), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>)

describe('by accuracy', () => {
  test('keeps rows whose share of right samples is in bounds, readable as they were', async () => {
    const { code, stdout, stderr } = await filter('medium.jsonl', '-n', '6', '--low', '0.4', '--high', '0.6')
    expect([code, stderr.match(/\d+ of 12 rows, \d+ kept/g)!.length]).toEqual([0, 3])
    const kept = lines('medium.jsonl')
    expect(stdout).toBe(`${at('medium.jsonl')}: ${kept.length} of 12 rows\n`)
    expect(kept.length).toBeGreaterThan(0)
    expect(kept.length).toBeLessThan(12)
    for (const { pass_rate: rate } of kept as { pass_rate: number }[])
      expect([rate >= 0.4, rate <= 0.6]).toEqual([true, true])
    const before = await loadRows([data])
    for (const row of await loadRows([at('medium.jsonl')])) {
      const same = before.find(({ images }) => JSON.stringify(images) === JSON.stringify(row.images))!
      const { messages, answer } = same
      expect(row).toMatchObject({ messages, answer, columns: { kind: same.columns.kind } })
    }
  })

  test('a stopped command goes on to the same file', async () => {
    await filter('whole.jsonl', '-n', '4', '--low', '0', '--high', '1')
    // What a process that was killed within its eighth row leaves behind; the marked rows are not measured again.
    const settings = await headOf('again.jsonl')
    const rows = lines('whole.jsonl')
    const done = rows.slice(0, 7).map((row, index) => JSON.stringify({ index, row: { ...row, pass_rate: 9 } }))
    writeFileSync(at('again.jsonl.part'), `${settings}\n${done.join('\n')}\n{"index": 7, "ro`)
    const { code, stderr } = await filter('again.jsonl', '-n', '4', '--low', '0', '--high', '1')
    expect([code, stderr.split('\n')[0]]).toEqual([0, `7 of 12 rows, 7 kept; going on from ${at('again.jsonl.part')}`])
    const again = lines('again.jsonl')
    expect(again.slice(0, 7).map(({ pass_rate }) => pass_rate)).toEqual(Array(7).fill(9))
    expect(again.slice(7)).toEqual(rows.slice(7))
    expect(existsSync(at('again.jsonl.part'))).toBe(false)
  })

  /** The first line that the command writes. */
  async function headOf(out: string): Promise<string> {
    writeFileSync(at(`${out}.part`), '')
    const { stderr } = await filter(out, '-n', '4', '--low', '0', '--high', '1')
    expect(stderr).toMatch(/again.jsonl.part: expected the findings of these settings but received "others"/)
    rmSync(at(`${out}.part`))
    const { code } = await rft([
      'filter',
      at('run.yaml'),
      '--out',
      at(out),
      '-n',
      '4',
      '--low',
      '0',
      '--high',
      '1',
      '--right-by',
      'none',
    ])
    expect(code).toBe(2)
    return readFileSync(at(`${out}.part`), 'utf8')
      .trim()
      .replace(',"rightBy":"none"', '')
  }
})

test('the best samples are targets that a run can imitate', async () => {
  const { code } = await filter('targets.jsonl', '-n', '4', '--select', 'best')
  expect(code).toBe(0)
  const rows = await loadRows([at('targets.jsonl')])
  expect(rows.length).toBeGreaterThan(0)
  for (const { target } of rows) expect(target!.length % 2).toBe(0)
  const input = tinyVlInput(folder.dir, at('sft'), {
    ...{ data: { train: [at('targets.jsonl')] }, algorithm: { trainer: 'sft' }, eval: { atEnd: false } },
    train: { steps: 1, batchSize: 2 },
  })
  expect((await train(configSchema.parse(input))).state.step).toBe(1)
})

describe('by tree search', () => {
  test('keeps rows that take more rounds than the easy ones, the same whatever runs beside them', async () => {
    const flags = ['--by', 'tree-search', '--rounds', '4', '--step-end', 'e', '--depth', '4', '--easy', '1']
    const { code } = await filter('hard.jsonl', ...flags)
    expect(code).toBe(0)
    const kept = lines('hard.jsonl')
    expect(kept.length).toBeGreaterThan(0)
    for (const { search_rounds: rounds } of kept) expect(rounds === null || (rounds as number) > 1).toBe(true)
    await rft(['filter', at('run.yaml'), '--out', at('alone.jsonl'), '--together', '1', ...flags])
    expect(lines('alone.jsonl')).toEqual(kept)
  })
  test('an unsolved row has no rounds', async () => {
    writeFileSync(at('never.mjs'), "export default { name: 'accuracy', score: () => 0 }")
    const set = ['--set', `rewards=[{"file": ${JSON.stringify(at('never.mjs'))}}]`]
    await filter('never.jsonl', '--by', 'tree-search', '--rounds', '2', ...set)
    expect(lines('never.jsonl').map(({ search_rounds: rounds }) => rounds)).toEqual(Array(12).fill(null))
  })
})

describe('bad input', () => {
  test.each([
    [['--select', 'best', '--by', 'tree-search'], /--select: expected rows with --by tree-search/],
    [['--right-by', 'beauty'], /--right-by: expected one of accuracy but received "beauty"/],
    [['--data', 'nowhere.jsonl'], /nowhere.jsonl/],
  ])('%j', async (flags, message) => {
    const { code, stderr } = await filter('bad.jsonl', ...flags)
    expect([code, message.test(stderr)]).toEqual([2, true])
    expect(existsSync(at('bad.jsonl'))).toBe(false)
  })
  test('a file that is there is left alone', async () => {
    writeFileSync(at('mine.jsonl'), 'mine')
    expect((await filter('mine.jsonl')).stderr).toMatch(/mine.jsonl: expected a file that is not there yet/)
    expect(readFileSync(at('mine.jsonl'), 'utf8')).toBe('mine')
  })
})

test('images in the data become files beside the rows', async () => {
  const bytes = readFileSync(fixture('models/media/scene.png'))
  const [row] = await loadRows([data])
  const embedded = { ...row!, images: [{ bytes }], columns: { n: 5n, raw: bytes, kind: 'a' } }
  const written = await writtenRow(embedded, 3, at('out.jsonl'), { pass_rate: 0.5 })
  expect(written).toMatchObject({ images: ['out.jsonl.images/3-0.png'], n: 5, kind: 'a', pass_rate: 0.5 })
  expect(written).not.toHaveProperty('raw')
  expect(readFileSync(at('out.jsonl.images/3-0.png'))).toEqual(bytes)
})
