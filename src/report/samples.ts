/** Sample groups: the prompt with its images, every completion with its rewards. */
import { formatNumber } from '../metrics/format.ts'
import type { SampleCompletion, SampleRecord } from '../metrics/samples.ts'
import { clip, escapeHtml, escapeText } from './html.ts'
import { imageDataUri, picture } from './images.ts'

const shownCompletions = 8
const imageSide = 224
const shownCharacters = 4000

/** `count` samples spread evenly over the run; the first and the last are among them. */
export function spread<T>(samples: readonly T[], count: number): T[] {
  if (samples.length <= count) return [...samples]
  if (count <= 1) return samples.slice(samples.length - count)
  return Array.from({ length: count }, (_, i) => samples[Math.round((i * (samples.length - 1)) / (count - 1))]!)
}

/** Newest first: what the model does now is on top. */
export async function drawSamples(runDir: string, samples: readonly SampleRecord[]): Promise<string> {
  const cards = await Promise.all(samples.toReversed().map((sample, i) => drawSample(runDir, sample, i < 3)))
  return cards.join('\n')
}

async function drawSample(runDir: string, sample: SampleRecord, open: boolean): Promise<string> {
  const body = await drawGroup(runDir, sample, { side: imageSide, completions: shownCompletions })
  return `<details class="sample"${open ? ' open' : ''}><summary><b>step ${sample.step}</b> ${scoreStrip(byTotal(sample))} <span>${escapeText(clip(sample.problem.replaceAll(/\s+/g, ' '), 90))}</span></summary>
${body}</details>`
}

const byTotal = ({ completions }: SampleRecord) =>
  completions.toSorted((a, b) => (b.total ?? -Infinity) - (a.total ?? -Infinity))

/** The prompt with its images beside its completions, best first. */
export async function drawGroup(
  runDir: string,
  sample: SampleRecord,
  limits: { side: number; completions: number },
): Promise<string> {
  const images = await Promise.all(sample.images.map((reference) => imageDataUri(runDir, reference, limits.side)))
  const ordered = byTotal(sample)
  const hidden = ordered.length - limits.completions
  const answer =
    sample.answer === null ? '' : `<p class="truth">answer <b>${escapeHtml(clip(sample.answer, 200))}</b></p>`
  return `<div class="body"><div class="prompt">${images.map(picture).join('')}<p class="source">${escapeText(sample.id)}</p><p class="problem">${escapeHtml(clip(sample.problem, shownCharacters))}</p>${answer}</div>
<div class="completions">${ordered.slice(0, limits.completions).map(drawCompletion).join('\n')}${hidden > 0 ? `<p class="more">and ${hidden} more</p>` : ''}</div></div>`
}

/** One square per completion, in the order of their rewards. */
function scoreStrip(completions: readonly SampleCompletion[]): string {
  const squares = completions.map((completion) => {
    const title = completion.total === null ? 'no reward' : formatNumber(completion.total)
    return `<i class="${verdict(completion)}" title="${title}"></i>`
  })
  return `<span class="strip">${squares.join('')}</span>`
}

/** Pushed up or down by the update; answers of an evaluation, which have no advantage, are right or wrong. */
export function verdict({ advantage, rewards }: SampleCompletion): 'good' | 'bad' | 'even' {
  const push = advantage ?? (typeof rewards.accuracy === 'number' ? rewards.accuracy - 0.5 : 0)
  return push > 1e-6 ? 'good' : push < -1e-6 ? 'bad' : 'even'
}

function drawCompletion(completion: SampleCompletion): string {
  const { text, rewards, total, advantage, finish } = completion
  const parts = Object.entries(rewards).map(
    ([name, value]) => `<span>${escapeText(name)} <b>${value === null ? 'none' : formatNumber(value)}</b></span>`,
  )
  const sum = `<span>total <b>${total === null ? 'none' : formatNumber(total)}</b></span>`
  const gain =
    advantage === null ? '' : `<span>advantage <b>${advantage > 0 ? '+' : ''}${formatNumber(advantage)}</b></span>`
  const cut =
    finish === 'length'
      ? '<span class="cut">cut at the limit</span>'
      : finish === 'aborted'
        ? '<span class="cut">aborted</span>'
        : ''
  const body = text === '' ? '<i class="code">empty</i>' : highlight(clip(text, shownCharacters))
  return `<div class="completion ${verdict(completion)}"><pre>${body}</pre><p>${[sum, ...parts, gain, cut].filter(Boolean).join(' ')}</p></div>`
}

/** Think and answer parts in colour. An unclosed part runs to the end; other tags are plain text. */
export function highlight(text: string): string {
  const part = /<(think|answer)>([\s\S]*?)(?:<\/\1>|$)/g
  let html = ''
  let at = 0
  for (const match of text.matchAll(part)) {
    html += escapeHtml(text.slice(at, match.index))
    html += `<span class="${match[1]}">${escapeHtml(match[0])}</span>`
    at = match.index + match[0].length
  }
  return html + escapeHtml(text.slice(at))
}
