/** Completions: a list of sampled groups, and the group that is chosen with its prompt, images and rewards. */
import { byId, h } from './dom.js'
import { focused, shownRuns, state } from './state.js'

let chosen = null // index into the samples of the focused run; null = the newest
let drawnKey = ''

export function moveSample(by) {
  const { length } = focused()?.samples ?? []
  if (length === 0) return
  chosen = Math.max(0, Math.min(length - 1, (chosen ?? length - 1) + by))
  drawSamples()
}

export function drawSamples() {
  const place = byId('samples')
  const run = focused()
  if (!run || run.samples.length === 0)
    return place.replaceChildren(h('p', { class: 'empty' }, 'No completions have been kept yet.'))
  const index = Math.min(chosen ?? run.samples.length - 1, run.samples.length - 1)
  const items = run.samples.map((sample, i) => entry(sample, i, i === index)).reverse()
  const list = h('ol', { class: 'sample-list', 'aria-label': 'Groups of completions, newest first' }, ...items)
  const before = place.querySelector('.sample-list')
  const scrolled = before?.scrollTop ?? 0
  const view = place.querySelector('.sample-view') ?? h('div', { class: 'sample-view', 'aria-live': 'polite' })
  place.replaceChildren(h('div', { class: 'sample-left' }, ...runChoice(run), list), view)
  list.scrollTop = scrolled
  list.querySelector('[aria-current]')?.scrollIntoView({ block: 'nearest' })
  void show(view, run, index)
}

function runChoice(run) {
  const runs = shownRuns()
  if (runs.length < 2) return []
  const options = runs.map(({ id, facts }) => h('option', { value: id, selected: id === run.id }, facts.name))
  const onchange = ({ target }) => {
    state.focus = target.value
    chosen = null
    drawSamples()
  }
  return [h('label', {}, 'Run ', h('select', { onchange }, ...options))]
}

function entry({ step, problem, verdicts, evaluation }, index, current) {
  const strip = h('span', { class: 'strip' }, ...verdicts.slice(0, 16).map((verdict) => h('i', { class: verdict })))
  const head = h(
    'span',
    { class: 'entry-head' },
    h('b', {}, `step ${step}`),
    evaluation ? h('em', {}, 'evaluation') : '',
    strip,
  )
  const onclick = () => {
    chosen = index
    drawSamples()
  }
  const button = h(
    'button',
    { type: 'button', onclick, 'aria-current': current ? 'true' : null },
    head,
    h('span', {}, problem),
  )
  return h('li', {}, button)
}

/** The server draws a group as the report does, with every text escaped. */
async function show(view, run, index) {
  const sample = run.samples[index]
  const key = `${run.id} ${index} ${sample.step} ${sample.id}`
  if (key === drawnKey && view.childElementCount > 0) return
  drawnKey = key
  const response = await fetch(`/api/runs/${run.id}/samples/${index}`)
  if (drawnKey !== key) return
  if (!response.ok) return view.replaceChildren(h('p', { class: 'empty' }, `Not shown: ${await response.text()}`))
  const html = await response.text()
  const parsed = new DOMParser().parseFromString(html, 'text/html')
  const title = h('h2', {}, sample.evaluation ? `Evaluation at step ${sample.step}` : `Step ${sample.step}`)
  view.replaceChildren(title, ...parsed.body.childNodes)
}
