/** An evaluation as one self-contained page: the numbers with their intervals, by source, and the answers behind them. */
import { formatPercent } from '../metrics/format.ts'
import { clip, escapeHtml, escapeText } from '../report/html.ts'
import { picture, thumbnail } from '../report/images.ts'
import { highlight, spread } from '../report/samples.ts'
import { style } from '../report/style.ts'
import type { RowResult, SampledEvaluation, Summary } from './sampled.ts'
import type { Estimate } from './statistics.ts'

export interface PageFacts {
  title: string
  /** One line: model, data, settings. */
  line: string
  /** Encoded bytes of a row's images; what cannot be read or decoded is said in its place. */
  images: (rowId: string) => Promise<Uint8Array | null>[]
}

const shownRows = 60
const shownCharacters = 3000
const imageSide = 224

/** `72.0 % (66.1 to 77.2)`. */
export const formatEstimate = ({ value, low, high }: Estimate) =>
  `${formatPercent(value)} (${(low * 100).toFixed(1)} to ${(high * 100).toFixed(1)})`

/** Names and values of the numbers that a summary has. */
export function figures({ greedy, mean, majority, pass }: Summary, samples: number): [string, Estimate][] {
  return [
    ['greedy', greedy],
    ...(mean ? [[`mean@${samples}`, mean] as [string, Estimate]] : []),
    ...(majority ? [[`maj@${samples}`, majority] as [string, Estimate]] : []),
    ...pass.filter(({ k }) => k > 1).map(({ k, estimate }): [string, Estimate] => [`pass@${k}`, estimate]),
  ]
}

export async function drawEvaluation(
  evaluation: SampledEvaluation,
  { title, line, images }: PageFacts,
): Promise<string> {
  const { all, samples, sources, rows } = evaluation
  const tile = ([name, { value, low, high }]: [string, Estimate]) =>
    `<div><span>${name}</span><b>${formatPercent(value)}</b><span>${(low * 100).toFixed(1)} to ${(high * 100).toFixed(1)}</span></div>`
  const tiles = figures(all, samples).map(tile).join('')
  const wrong = rows.filter(({ greedy }) => greedy.score <= 0.5)
  const right = rows.filter(({ greedy }) => greedy.score > 0.5)
  const cards = async (some: readonly RowResult[]) => {
    const drawn = await Promise.all(spread(some, shownRows).map((row) => drawRow(row, images(row.id))))
    return drawn.join('\n') || '<p class="empty">None.</p>'
  }
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>${escapeText(title)} · rft</title><style>${style}</style></head><body>
<header><h1>${escapeText(title)}</h1><p>${escapeText(line)}</p><div class="tiles"><div><span>rows</span><b>${all.rows}</b><span>95 % intervals</span></div>${tiles}</div></header>
${sources.length > 1 ? `<h2>By source</h2><div class="tables">${drawSources(evaluation)}</div>` : ''}
<h2>Wrong, greedy (${wrong.length})</h2>${await cards(wrong)}
<h2>Right, greedy (${right.length})</h2>${await cards(right)}
</body></html>
`
}

function drawSources({ sources, samples, all }: SampledEvaluation): string {
  const head = figures(all, samples).map(([name]) => `<td>${name}</td>`)
  const row = (name: string, summary: Summary) =>
    `<tr><th>${escapeText(name)}</th><td>${summary.rows}</td>${figures(summary, samples)
      .map(([, estimate]) => `<td>${formatEstimate(estimate)}</td>`)
      .join('')}</tr>`
  const body = sources.map(({ source, summary }) => row(source, summary)).join('')
  return `<table><thead><tr><th>source</th><td>rows</td>${head.join('')}</tr></thead><tbody>${body}${row('all', all)}</tbody></table>`
}

async function drawRow(
  { id, source, question, answer, greedy, samples }: RowResult,
  images: Promise<Uint8Array | null>[],
): Promise<string> {
  const pictures = await Promise.all(
    images.map(async (image) => {
      const bytes = await image
      return picture(bytes && (await thumbnail(bytes, imageSide)))
    }),
  )
  const strip = samples.map(({ score }) => `<i class="${score > 0.5 ? 'good' : 'bad'}"></i>`).join('')
  const short = clip(question.replaceAll(/\s+/g, ' ').trim(), 100)
  return `<details class="sample"><summary><span class="strip">${strip}</span><span>${escapeText(short)}</span></summary>
<div class="body"><div class="prompt">${pictures.join('')}<p class="source">${escapeText(id)} · ${escapeText(source)}</p><p class="problem">${escapeHtml(clip(question.trim(), shownCharacters))}</p>${answer === null ? '' : `<p class="truth">answer <b>${escapeHtml(clip(answer, 200))}</b></p>`}</div>
<div class="completions"><div class="completion ${greedy.score > 0.5 ? 'good' : 'bad'}"><pre>${highlight(clip(greedy.text, shownCharacters))}</pre></div></div></div></details>`
}
