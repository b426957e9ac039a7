import { createHash } from 'node:crypto'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import sharp from 'sharp'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Row } from '../../../src/core/types.ts'
import { blindRows } from '../../../src/data/blind.ts'
import { checkRows, requireSound } from '../../../src/data/check.ts'
import { loadRows } from '../../../src/data/rows.ts'
import {
  contactSheet,
  defaultStyle,
  generateShapes,
  kinds,
  type ShapesSummary,
} from '../../../src/data/shapes/index.ts'

const sizes = { train: 300, heldOut: 120 }
let dir: string
let summary: ShapesSummary
let rows: Record<'train' | 'heldOut', Row[]>

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'rft-shapes-'))
  summary = await generateShapes({ dir: join(dir, 'a'), seed: 7, ...sizes })
  rows = { train: await loadRows([summary.train.file]), heldOut: await loadRows([summary.heldOut.file]) }
})
afterAll(() => rm(dir, { recursive: true }))

async function digest(folder: string): Promise<string> {
  const hash = createHash('sha256')
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
  for (const file of files.sort()) hash.update(file.slice(folder.length)).update(await readFile(file))
  return hash.digest('hex')
}
const images = (row: Row) => row.images.map((image) => ('path' in image ? image.path! : ''))

describe('generateShapes', () => {
  test('rows read as EasyR1 rows, with every image there', async () => {
    for (const split of ['train', 'heldOut'] as const) {
      requireSound(await checkRows(rows[split]))
      expect(rows[split]).toHaveLength(sizes[split])
      for (const { messages, answer, target, columns } of rows[split]) {
        expect(messages[0]!.content).toEqual([{ type: 'image' }, { type: 'text', text: expect.stringMatching(/\?$/) }])
        expect(target).toMatch(new RegExp(`^<think>[^<]*</think><answer>${answer}</answer>$`))
        expect(kinds).toContain(columns.kind)
      }
    }
  })

  test('the same options give the same bytes, another seed gives others', { timeout: 30_000 }, async () => {
    await generateShapes({ dir: join(dir, 'b'), seed: 7, ...sizes })
    expect(await digest(join(dir, 'b'))).toBe(await digest(join(dir, 'a')))
    await generateShapes({ dir: join(dir, 'c'), seed: 8, ...sizes })
    expect(await digest(join(dir, 'c'))).not.toBe(await digest(join(dir, 'a')))
  })

  test('held-out rows do not depend on the number of training rows', async () => {
    await generateShapes({ dir: join(dir, 'd'), seed: 7, train: 5, heldOut: sizes.heldOut })
    expect(await digest(join(dir, 'd', 'held_out'))).toBe(await digest(join(dir, 'a', 'held_out')))
    const text = (folder: string) => readFile(join(dir, folder, 'held_out.jsonl'), 'utf8')
    expect(await text('d')).toBe(await text('a'))
  })

  test('rows of a warm start are others, in another mix, with the share without working', async () => {
    const options = { dir: join(dir, 'e'), seed: 7, train: 200, heldOut: 100, warmStart: 300 }
    const { warmStart, train } = await generateShapes(options)
    expect(warmStart!.rows).toBe(300)
    expect(summary.warmStart).toBeNull()
    expect(warmStart!.kinds.count.rows / 300).toBeGreaterThan(2 * (train.kinds.count.rows / 200))
    const text = (file: string) => readFile(join(dir, file), 'utf8')
    expect((await text('a/held_out.jsonl')).startsWith(await text('e/held_out.jsonl'))).toBe(true)
    const imitated = await loadRows([warmStart!.file])
    requireSound(await checkRows(imitated))
    const calculations = imitated.filter(({ columns }) => columns.kind === 'arithmetic')
    const direct = calculations.filter(({ target }) => target!.startsWith('<think></think>'))
    expect(Math.abs(direct.length / calculations.length - defaultStyle.direct.arithmetic)).toBeLessThan(0.15)
    const others = await loadRows([join(dir, 'e', 'train.jsonl'), join(dir, 'e', 'held_out.jsonl')])
    const content = async (row: Row) => `${JSON.stringify(row.messages)} ${await readFile(images(row)[0]!, 'latin1')}`
    const seen = new Set(await Promise.all(others.map(content)))
    for (const row of imitated) expect(seen.has(await content(row))).toBe(false)
  })

  test('images are small RGB files of the asked size, and all differ', async () => {
    const paths = [...rows.train, ...rows.heldOut].flatMap(images)
    const metadata = await sharp(paths[0]).metadata()
    expect(metadata).toMatchObject({ format: 'png', width: 84, height: 84, channels: 3, hasAlpha: false })
    const contents = await Promise.all(paths.map((path) => readFile(path)))
    expect(Math.max(...contents.map(({ length }) => length))).toBeLessThan(8192)
    expect(new Set(contents.map((bytes) => bytes.toString('latin1'))).size).toBe(paths.length)
  })

  test('the summary says how rows are spread and what the best constant answer reaches', () => {
    const total = kinds.reduce((sum, kind) => sum + summary.train.kinds[kind].rows, 0)
    expect(total).toBe(sizes.train)
    for (const kind of kinds) {
      const answers = rows.train.filter(({ columns }) => columns.kind === kind).map(({ answer }) => answer)
      const { answer, share } = summary.train.kinds[kind].bestConstant
      expect(share).toBeCloseTo(answers.filter((other) => other === answer).length / answers.length)
      expect(summary.train.kinds[kind].rows).toBe(answers.length)
    }
  })

  test.each([
    ['train', { train: -1 }],
    ['heldOut', { heldOut: 0.5 }],
    ['warmStart', { warmStart: -2 }],
    ['size', { size: 10 }],
    ['seed', { seed: Number.NaN }],
  ])('refuses a bad %s', async (name, bad) => {
    const options = { dir: join(dir, 'bad'), seed: 0, train: 1, heldOut: 1, ...bad }
    await expect(generateShapes(options)).rejects.toThrow(`shapes ${name}: expected a whole number`)
  })

  test('contactSheet draws a page', async () => {
    const out = join(dir, 'sheet.png')
    await contactSheet(join(dir, 'a'), out)
    const { width, height } = await sharp(out).metadata()
    expect(width! / height!).toBeCloseTo(1700 / 1224)
    const { channels } = await sharp(out).stats()
    for (const { stdev } of channels.slice(0, 3)) expect(stdev).toBeGreaterThan(20)
  })
})

describe('blindRows', () => {
  test('every picture becomes the same grey one of its size; the rest of the row stays', async () => {
    const blind = await blindRows(rows.heldOut.slice(0, 5))
    for (const [k, row] of blind.entries()) {
      expect({ ...row, images: [] }).toEqual({ ...rows.heldOut[k], images: [] })
      const image = row.images[0]!
      const { data, info } = await sharp('bytes' in image ? image.bytes : '')
        .raw()
        .toBuffer({ resolveWithObject: true })
      expect(info).toMatchObject({ width: 84, height: 84, channels: 3 })
      for (let c = 0; c < data.length; c++) if (data[c] !== [122, 116, 104][c % 3]) throw new Error(`byte ${c}`)
    }
  })

  test('names the row whose image cannot be read', async () => {
    const bad = { ...rows.heldOut[0]!, images: [{ path: '/gone.png' }] }
    await expect(blindRows([bad])).rejects.toThrow(`${bad.id}: expected a readable image but received "/gone.png"`)
  })
})
