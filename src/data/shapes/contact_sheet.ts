/** A page of samples for people to look at: pictures with their questions, answers and targets. */
import { join } from 'node:path'
import sharp from 'sharp'
import type { Row } from '../../core/types.ts'
import { loadRows } from '../rows.ts'

const columns = 5
const lines = 4
const tile = { width: 340, height: 306, image: 204 }

/**
 * Draws 5x4 rows of `<dir>/held_out.jsonl`, evenly spread over the file, to a PNG.
 *
 * @throws InputError when the folder holds no rows.
 */
export async function contactSheet(dir: string, out: string): Promise<void> {
  const rows = await loadRows([join(dir, 'held_out.jsonl')], { format: 'easyr1' })
  const shown = Math.min(rows.length, columns * lines)
  const chosen = Array.from({ length: shown }, (_, k) => rows[Math.floor((k * rows.length) / shown)]!)
  const tiles = await Promise.all(chosen.map(drawTile))
  await sharp({ create: { width: columns * tile.width, height: lines * tile.height, channels: 3, background: '#fff' } })
    .composite(
      tiles.map((input, k) => ({
        input,
        left: (k % columns) * tile.width,
        top: Math.floor(k / columns) * tile.height,
      })),
    )
    .png()
    .toFile(out)
}

async function drawTile(row: Row): Promise<Buffer> {
  const [image] = row.images
  const picture = await sharp(image && 'path' in image ? image.path : Buffer.alloc(0))
    .resize(tile.image, tile.image, { kernel: 'nearest' })
    .toBuffer()
  const content = row.messages[0]!.content
  const question =
    typeof content === 'string' ? content : content.map((part) => ('text' in part ? part.text : '')).join('')
  const text = (y: number, size: number, colour: string, value: string) =>
    `<text x="${tile.width / 2}" y="${y}" font-family="sans-serif" font-size="${size}" fill="${colour}" text-anchor="middle">${escapeXml(value)}</text>`
  // The target on two lines: the working, then the answer.
  const [think = '', ...answer] = (row.target ?? '').split(/(?=<answer>)/)
  const below = tile.image + 12
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${tile.width}" height="${tile.height}">
    ${text(below + 22, 16, '#111', question)}
    ${text(below + 46, 16, '#0a6', row.answer ?? '')}
    ${text(below + 66, 11, '#666', think)}
    ${text(below + 82, 11, '#666', answer.join(''))}
  </svg>`
  return sharp(Buffer.from(svg))
    .composite([{ input: picture, left: (tile.width - tile.image) / 2, top: 8 }])
    .png()
    .toBuffer()
}

function escapeXml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}
