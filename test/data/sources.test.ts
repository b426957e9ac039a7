/** What a name of data stands for: files, folders with splits, parquet as `datasets` writes it, JSON lists. */
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import sharp from 'sharp'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { checkRows, loadRows } from '../../src/data/index.ts'
import { imageSize, readImageBytes } from '../../src/vision/index.ts'

const fixtures = path.join(import.meta.dirname, '../fixtures/data')
let dir: string
beforeAll(() => {
  dir = mkdtempSync(path.join(tmpdir(), 'rft-data-'))
})
afterAll(() => rmSync(dir, { recursive: true, force: true }))

const put = (name: string, text: string) => {
  const file = path.join(dir, name)
  mkdirSync(path.dirname(file), { recursive: true })
  writeFileSync(file, text)
  return file
}
const row = (problem: string) => JSON.stringify({ problem, answer: '1' })
const problems = async (spec: string) => (await loadRows([spec])).map(({ messages }) => messages[0]!.content)

describe('parquet files that the datasets library wrote', () => {
  test('EasyR1 rows: lists of images as bytes, none, and whole numbers of 64 bits', async () => {
    const rows = await loadRows([path.join(fixtures, 'geo')])
    expect(rows.map(({ images }) => images.length)).toEqual([1, 2, 0])
    expect(rows.map(({ answer }) => answer)).toEqual(['3', 'A', '4'])
    expect(rows.map(({ columns }) => columns.level)).toEqual([1, 2 ** 40, 3])
    expect(rows[1]!.id).toMatch(/train-00000-of-00001\.parquet:2$/)
    const [first] = rows[0]!.images
    const { data, info } = await sharp((first as { bytes: Uint8Array }).bytes)
      .raw()
      .toBuffer({ resolveWithObject: true })
    expect([info.width, info.height, ...data.subarray(0, 3)]).toEqual([12, 8, 255, 0, 0])
    expect((await checkRows(rows)).problems).toEqual([])
  })
  test('the other split', async () => {
    expect(await loadRows([`${path.join(fixtures, 'geo')}@test`])).toHaveLength(1)
  })
  test.each([
    ['clevr.parquet', '<answer> 3 </answer>'],
    ['verl.parquet', '3'],
    ['trl.parquet', 'cat'],
  ])('%s', async (name, answer) => {
    const rows = await loadRows([path.join(fixtures, name)])
    expect(rows).toHaveLength(1)
    expect(rows[0]).toMatchObject({ answer, images: [{ bytes: expect.any(Uint8Array) }] })
    expect(rows[0]!.messages.at(-1)!.content).toContainEqual({ type: 'image' })
    expect((await checkRows(rows)).problems).toEqual([])
  })
  test('images past the limit stay in the file and come out of it as they went in, in any order', async () => {
    const folder = path.join(fixtures, 'geo')
    const kept = await loadRows([folder])
    const left = await loadRows([folder], { embeddedImageBytes: 0 })
    const refs = left.flatMap(({ images }) => images)
    expect(refs.map((ref) => 'stored' in ref)).toEqual([true, true, true])
    expect(new Set(refs.map((ref) => 'stored' in ref && ref.stored.key)).size).toBe(3)
    const bytes = await Promise.all([...refs].reverse().map((ref) => readImageBytes(ref, 'row')))
    expect(bytes.reverse()).toEqual(kept.flatMap(({ images }) => images.map((ref) => 'bytes' in ref && ref.bytes)))
    expect(await imageSize(refs[0]!, 'row')).toMatchObject({ width: 12, height: 8 })
    expect((await checkRows(left)).problems).toEqual([])
  })
  test('a file that changed after its rows were read', async () => {
    const file = path.join(dir, 'moved.parquet')
    cpSync(path.join(fixtures, 'clevr.parquet'), file)
    const [row] = await loadRows([file], { embeddedImageBytes: 0 })
    cpSync(path.join(fixtures, 'trl.parquet'), file)
    await expect(readImageBytes(row!.images[0]!, row!.id)).rejects.toThrow(/moved\.parquet/)
  })
  test('a damaged file, and one that is no parquet', async () => {
    const file = put('bad.parquet', 'PAR1 nothing PAR1')
    await expect(loadRows([file])).rejects.toThrow(/bad\.parquet: expected a readable parquet file/)
    await expect(loadRows([put('text.parquet', 'hello')])).rejects.toThrow(/expected a readable parquet file/)
  })
})

describe('JSON', () => {
  test('a list, a record with a list, and lines', async () => {
    expect(await problems(put('list.json', `[${row('a')}, ${row('b')}]`))).toEqual(['a', 'b'])
    expect(await problems(put('record.json', `{"data": [${row('a')}]}`))).toEqual(['a'])
    expect(await problems(put('lines.json', `${row('a')}\n${row('b')}\n`))).toEqual(['a', 'b'])
  })
  test('an entry that is no row is named by its number', async () => {
    await expect(loadRows([put('entries.json', `[${row('a')}, 5]`)])).rejects.toThrow(
      /entries\.json:2: expected a JSON object/,
    )
  })
})

describe('folders', () => {
  test.each([
    ['one/train.jsonl', 'one'],
    ['two/data/train-00000-of-00002.jsonl', 'two'],
    ['three/train/part-0.jsonl', 'three'],
    ['four/whatever.jsonl', 'four'],
  ])('%s is the train split', async (name, folder) => {
    put(name, row('a'))
    put(`${folder}/README.md`, '# a card')
    put(`${folder}/dataset_info.json`, '{}')
    expect(await problems(path.join(dir, folder))).toEqual(['a'])
  })
  test('shards in order, splits by name', async () => {
    put('shards/data/train-00000-of-00002.jsonl', row('a'))
    put('shards/data/train-00001-of-00002.jsonl', row('b'))
    put('shards/data/val-00000-of-00001.jsonl', row('v'))
    expect(await problems(path.join(dir, 'shards'))).toEqual(['a', 'b'])
    expect(await problems(`${path.join(dir, 'shards')}@validation`)).toEqual(['v'])
    await expect(problems(`${path.join(dir, 'shards')}@test`)).rejects.toThrow(
      /a split of this dataset.*"train", "validation"/,
    )
  })
  test('the files that the card of a dataset names', async () => {
    put(
      'card/README.md',
      '---\nconfigs:\n- config_name: default\n  data_files:\n  - split: train\n    path: deep/q*.jsonl\n---\n',
    )
    put('card/deep/q1.jsonl', row('q'))
    put('card/train.jsonl', row('other'))
    expect(await problems(path.join(dir, 'card'))).toEqual(['q'])
  })
  test('images start from the dataset folder', async () => {
    put('pictures/data/train.jsonl', JSON.stringify({ problem: 'x', answer: '1', images: ['img/a.png'] }))
    const [first] = await loadRows([path.join(dir, 'pictures')])
    expect(first!.images).toEqual([{ path: path.join(dir, 'pictures/img/a.png') }])
  })
  test('an empty folder and an Arrow folder', async () => {
    mkdirSync(path.join(dir, 'empty'))
    await expect(problems(path.join(dir, 'empty'))).rejects.toThrow('expected a dataset folder')
    put('arrow/data-00000-of-00001.arrow', '')
    await expect(problems(path.join(dir, 'arrow'))).rejects.toThrow(/Arrow files.*to_parquet/)
  })
})

test('a name with an @ in it is a name first', async () => {
  const file = put('odd@train.jsonl', row('odd'))
  expect(await problems(file)).toEqual(['odd'])
  expect(await problems(`${put('plain.jsonl', row('p'))}@train`)).toEqual(['p'])
  await expect(problems(`${path.join(dir, 'plain.jsonl')}@test`)).rejects.toThrow('the split train only')
})

test('what is nowhere', async () => {
  await expect(problems(path.join(dir, 'no.jsonl'))).rejects.toThrow('expected an existing file or dataset folder')
})

test('every bad row is reported when asked, and the good ones are kept', async () => {
  const found: string[] = []
  const file = put('mixed.jsonl', `${row('a')}\n{"problem": 5}\nnot JSON\n${row('b')}\n`)
  const rows = await loadRows([file], { onProblem: ({ where }) => found.push(path.basename(where)) })
  expect(rows).toHaveLength(2)
  expect(found).toEqual(['mixed.jsonl:2', 'mixed.jsonl:3'])
})

test('a dataset folder reads the same from a link, as the hub cache has it', async () => {
  cpSync(path.join(fixtures, 'geo'), path.join(dir, 'geo-copy'), { recursive: true })
  expect(await loadRows([path.join(dir, 'geo-copy')])).toHaveLength(3)
})
