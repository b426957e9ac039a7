/** The page of an experiment: the question, its answer, the figure behind it, the arms in numbers, their curves. */
import { mkdir, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { formatEstimate } from '../evaluation/page.ts'
import { formatDuration, formatPercent } from '../metrics/format.ts'
import { escapeHtml, escapeText } from '../report/html.ts'
import { style } from '../report/style.ts'
import type { Column, Experiment, Findings } from './define.ts'
import { drawCurve, usualCurves } from './figures.ts'
import { type ArmResult, accuracyOf, changeOf, type Results, rightOf } from './results.ts'
import { signedPoints } from './wording.ts'

export interface PageFacts {
  seed: number
  steps: number
}

const ownStyle = `
.answer-box{background:var(--card);border:1px solid var(--rule);border-left:4px solid var(--c0);border-radius:8px;padding:14px 18px;font-size:18px;line-height:1.45;margin:0 0 14px;color:var(--ink)}
.main{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,360px),1fr));gap:14px}
.arms{overflow-x:auto}.arms td,.arms th{white-space:nowrap}.arms i{display:inline-block;width:10px;height:10px;border-radius:2px;margin-right:8px;background:var(--c)}.arms a{color:inherit}
.config{margin-top:12px}.note{color:var(--soft);font-size:13px;max-width:75em}`

/** Writes `report.html` into the folder of the experiment, whole or not at all. */
export async function writePage(
  dir: string,
  experiment: Experiment,
  results: Results,
  facts: PageFacts,
): Promise<{ page: string; answer: string }> {
  const findings = experiment.conclude(results)
  const file = join(dir, 'report.html')
  await mkdir(dir, { recursive: true })
  await writeFile(`${file}.tmp`, drawPage(experiment, results, findings, facts))
  await rename(`${file}.tmp`, file)
  return { page: file, answer: findings.answer }
}

export function drawPage(
  { name, question, about, curves = usualCurves, columns = [] }: Experiment,
  results: Results,
  { answer, figures }: Findings,
  { seed, steps }: PageFacts,
): string {
  const { start, arms } = results
  const seconds = arms.reduce((sum, arm) => sum + arm.seconds, 0)
  const tiles = [
    ['accuracy at the start', formatPercent(accuracyOf(start).value)],
    ['held-out rows', String(rightOf(start).length)],
    ['steps per arm', String(steps)],
    ['training, all arms', formatDuration(seconds)],
    ['seed', String(seed)],
  ]
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>${escapeText(name)} · rft</title><style>${style}${ownStyle}</style></head><body>
<header><h1>${escapeText(question)}</h1><p>${escapeText(about)}</p></header>
<p class="answer-box">${escapeHtml(answer)}</p>
<div class="main">${figures.join('\n')}</div>
<h2>Arms</h2><div class="arms">${drawArms(results, columns)}</div>
<p class="note">Greedy answers to the held-out rows. Intervals are of 95 % and speak of these rows; another seed of training moves results too: see <code>--seed</code>. Changes are paired, row by row, so they are surer than two intervals side by side suggest.</p>
<h2>Curves</h2><div class="charts">${curves.map((curve) => drawCurve(curve, arms)).join('\n')}</div>
<h2>Set-up</h2><div class="tiles">${tiles.map(([label, value]) => `<div><span>${label}</span><b>${escapeText(value!)}</b></div>`).join('')}</div>
<details class="config"><summary>what differs between the arms</summary>${arms.map(drawSettings).join('')}</details>
<p class="note"><code>rft experiment ${escapeText(name)} --seed ${seed} --steps ${steps}</code></p>
</body></html>
`
}

function drawArms({ start, arms }: Results, own: readonly Column[]): string {
  const columns: Column[] = [
    { head: 'accuracy', cell: ({ answers }) => formatEstimate(accuracyOf(answers)) },
    { head: 'change, points', cell: ({ answers }) => signedPoints(changeOf(start, answers)) },
    ...own,
    { head: 'steps', cell: (arm) => String(arm.steps) },
    { head: 'completions', cell: ({ completions }) => completions.toLocaleString('en-US') },
    { head: 'tokens', cell: ({ tokens }) => tokens.toLocaleString('en-US') },
    { head: 'training', cell: (arm) => formatDuration(arm.seconds) },
  ]
  const head = columns.map((column) => `<td>${escapeText(column.head)}</td>`).join('')
  const body = arms.map((result) => {
    const { arm, place } = result
    const cells = columns.map(({ cell }) => `<td>${escapeText(cell(result))}</td>`).join('')
    return `<tr><th><i class="c${place}"></i><a href="${escapeText(arm.name)}/report.html">${escapeText(arm.label)}</a></th>${cells}</tr>`
  })
  return `<table><thead><tr><th>arm</th>${head}</tr></thead><tbody>${body.join('')}</tbody></table>`
}

function drawSettings({ arm }: ArmResult): string {
  const settings = Object.keys(arm.settings).length > 0 ? stringify(arm.settings) : 'as all arms\n'
  const rows = arm.rows ? `# rows\n${arm.rows.toString()}\n` : ''
  return `<pre><b>${escapeText(arm.label)}</b>\n${escapeHtml(settings + rows)}</pre>`
}
