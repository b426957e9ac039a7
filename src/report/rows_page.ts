/** Dataset rows as one page to look at: images, the prompt as the model reads it, the truth, and what rewards see. */
import type { ImageRef, Row } from '../core/types.ts'
import { clip, escapeHtml, escapeText } from './html.ts'
import { thumbnail } from './images.ts'
import { style } from './style.ts'

const imageSide = 320
const shownCharacters = 6_000
const shownColumns = 20

export interface RowsPage {
  /** What is looked at, e.g. the name of the dataset. */
  title: string
  rows: readonly Row[]
  /** The prompt of a row as text. */
  render: (row: Row) => string
  /** Encoded bytes of an image. @throws when it cannot be read: the page says so in its place. */
  readImage: (ref: ImageRef, row: Row) => Promise<Uint8Array>
}

/** One HTML file with everything in it. */
export async function drawRowsPage({ title, rows, render, readImage }: RowsPage): Promise<string> {
  const cards = await Promise.all(rows.map((row) => drawRow(row, render, readImage)))
  const images = rows.reduce((sum, row) => sum + row.images.length, 0)
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1"><title>${escapeText(title)}</title><style>${style}
.row{padding-top:12px;margin-bottom:14px}.row .prompt img{image-rendering:auto}.row h3{margin:0;padding:0 14px 8px;font-size:13px;font-weight:500;color:var(--soft);overflow-wrap:anywhere}
.columns{margin:10px 0 0;font-size:12.5px;overflow-wrap:anywhere}.columns b{font-weight:600}.columns li{margin:2px 0}.columns ul{margin:0;padding-left:18px}.picture{display:inline-block;margin:0 8px 8px 0;vertical-align:top;font-size:12px;color:var(--soft)}.picture img{display:block;margin:0 0 2px!important}</style></head>
<body><header><h1>${escapeText(title)}</h1><p>${rows.length} rows, ${images} images, prompts as the model reads them</p></header>
<main>${cards.join('\n')}</main></body></html>
`
}

async function drawRow(row: Row, render: RowsPage['render'], readImage: RowsPage['readImage']): Promise<string> {
  const pictures = await Promise.all(row.images.map((ref, k) => drawImage(ref, k, row, readImage)))
  const truth = row.answer === null ? 'no answer' : `answer <b>${escapeHtml(clip(row.answer, 500))}</b>`
  const target =
    row.target === null ? '' : `<p class="truth">target</p><pre>${escapeHtml(clip(row.target, 2_000))}</pre>`
  return `<section class="sample row"><h3>${escapeText(row.id)}</h3><div class="body"><div class="prompt">${pictures.join('') || '<span class="missing">no image</span>'}<p class="truth">${truth}</p>${drawColumns(row)}</div>
<div><pre>${escapeHtml(clip(rendered(row, render), shownCharacters))}</pre>${target}</div></div></section>`
}

function rendered(row: Row, render: RowsPage['render']): string {
  try {
    return render(row)
  } catch (error) {
    return `cannot be rendered: ${(error as Error).message}`
  }
}

async function drawImage(ref: ImageRef, k: number, row: Row, readImage: RowsPage['readImage']): Promise<string> {
  const name = 'path' in ref && ref.path ? ref.path.slice(-60) : 'embedded'
  const caption = `image ${k + 1}, ${escapeText(name)}`
  try {
    const uri = await thumbnail(await readImage(ref, row), imageSide)
    if (uri) return `<span class="picture"><img alt="image ${k + 1}" src="${uri}">${caption}</span>`
  } catch (error) {
    return `<span class="missing">${caption}: ${escapeText((error as Error).message)}</span>`
  }
  return `<span class="missing">${caption}: cannot be decoded</span>`
}

function drawColumns({ columns }: Row): string {
  const names = Object.keys(columns).slice(0, shownColumns)
  if (names.length === 0) return ''
  const items = names.map(
    (name) => `<li><b>${escapeText(clip(name, 60))}</b> ${escapeHtml(clip(shown(columns[name]), 300))}</li>`,
  )
  return `<div class="columns">columns for rewards<ul>${items.join('')}</ul></div>`
}

function shown(value: unknown): string {
  if (typeof value === 'string') return value
  return JSON.stringify(value, (_, item) => (item instanceof Uint8Array ? `${item.length} bytes` : item)) ?? ''
}
