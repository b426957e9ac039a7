/** Writes the shapes dataset: PNG files and EasyR1 rows, train and held-out. */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import sharp from 'sharp'
import { InputError } from '../../core/errors.ts'
import { drawScene } from './draw.ts'
import { type Kind, kinds } from './questions.ts'
import { defaultStyle, type ShapesRow, shapesRow, warmStartStyle } from './rows.ts'
import { side } from './scene.ts'

export interface ShapesOptions {
  dir: string
  seed: number
  /** Rows to train on. */
  train: number
  /** Rows to imitate before that, asked in another mix; default none. */
  warmStart?: number
  /** Rows to evaluate on; none asks about a scene what a training row asks about it. */
  heldOut: number
  /** Side of the images in pixels; default 84. */
  size?: number
}

export interface SplitSummary {
  file: string
  rows: number
  /** The most common answer of each kind and its share: what answering blindly can reach. */
  kinds: Record<Kind, { rows: number; bestConstant: { answer: string; share: number } }>
}

export interface ShapesSummary {
  dir: string
  seed: number
  size: number
  train: SplitSummary
  heldOut: SplitSummary
  warmStart: SplitSummary | null
}

const splits = {
  heldOut: { name: 'held_out', key: 1, style: defaultStyle },
  train: { name: 'train', key: 0, style: defaultStyle },
  warmStart: { name: 'warm_start', key: 2, style: warmStartStyle },
} as const
const filesAtOnce = 16
const smallestCell = 8

/**
 * Writes `<dir>/train.jsonl`, `<dir>/held_out.jsonl`, `<dir>/warm_start.jsonl` if asked for, and their images. The same options give the same bytes; held-out
 * rows do not depend on how many training rows there are.
 *
 * @throws InputError for counts or a size that cannot be.
 * @example
 * await generateShapes({ dir: 'data/shapes', seed: 0, train: 4000, heldOut: 600 })
 */
export async function generateShapes(options: ShapesOptions): Promise<ShapesSummary> {
  const { dir, seed, size = 84, warmStart = 0 } = options
  requireCount('seed', seed, 0)
  requireCount('train', options.train, 0)
  requireCount('heldOut', options.heldOut, 0)
  requireCount('warmStart', warmStart, 0)
  requireCount('size', size, smallestCell * side)
  const taken = new Set<string>()
  const write = (split: keyof typeof splits, count: number) => {
    const { name, key, style } = splits[split]
    const rows = Array.from({ length: count }, (_, k) => shapesRow([seed, key], k, style, taken))
    return writeSplit(dir, name, rows, size)
  }
  const heldOut = await write('heldOut', options.heldOut)
  const train = await write('train', options.train)
  return { dir, seed, size, train, heldOut, warmStart: warmStart > 0 ? await write('warmStart', warmStart) : null }
}

async function writeSplit(dir: string, name: string, rows: readonly ShapesRow[], size: number): Promise<SplitSummary> {
  await mkdir(join(dir, name), { recursive: true })
  const path = (k: number) => `${name}/${String(k).padStart(6, '0')}.png`
  const queue = rows.entries()
  const work = async () => {
    for (const [k, row] of queue) {
      const pixels = drawScene(row.scene, size, row.random)
      const image = sharp(pixels, { raw: { width: size, height: size, channels: 3 } })
      await writeFile(join(dir, path(k)), await image.png({ compressionLevel: 6, palette: false }).toBuffer())
    }
  }
  await Promise.all(Array.from({ length: filesAtOnce }, work))
  const file = join(dir, `${name}.jsonl`)
  const lines = rows.map(({ question, answer, kind, target }, k) =>
    JSON.stringify({ problem: `<image>${question}`, answer, images: [path(k)], kind, target }),
  )
  await writeFile(file, lines.map((line) => `${line}\n`).join(''))
  return { file, rows: rows.length, kinds: summarise(rows) }
}

function summarise(rows: readonly ShapesRow[]): SplitSummary['kinds'] {
  const entries = kinds.map((kind) => {
    const answers = rows.filter((row) => row.kind === kind).map(({ answer }) => answer)
    const counts = new Map<string, number>()
    for (const answer of answers) counts.set(answer, (counts.get(answer) ?? 0) + 1)
    const [answer, most] = [...counts].reduce((a, b) => (b[1] > a[1] ? b : a), ['', 0])
    return [kind, { rows: answers.length, bestConstant: { answer, share: most / Math.max(1, answers.length) } }]
  })
  return Object.fromEntries(entries)
}

function requireCount(name: string, value: number, least: number): void {
  if (!Number.isSafeInteger(value) || value < least)
    throw new InputError(`shapes ${name}`, `a whole number of at least ${least}`, value)
}
