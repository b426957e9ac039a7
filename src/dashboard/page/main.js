/** Connects, redraws when something changed, and listens to keys. */
import { layout } from './charts.js'
import { byId, h } from './dom.js'
import { changed, drawOverview } from './overview.js'
import { Plot } from './plot.js'
import { drawSamples, moveSample } from './samples.js'
import { applyUpdate, shownRuns, showOnly, state } from './state.js'

/** @type {Map<string, Plot>} */
const plots = new Map()
let outline = ''

function drawCurves() {
  const place = byId('curves')
  const sections = layout(shownRuns())
  const next = sections.map(({ title, charts }) => [title, ...charts.map(({ key }) => key)].join('\n')).join('\n\n')
  if (next !== outline) rebuild(place, sections)
  outline = next
  for (const { charts } of sections) for (const chart of charts) plots.get(chart.key).update(chart)
}

/** Other charts than before: keeps those that stay. */
function rebuild(place, sections) {
  const keys = new Set(sections.flatMap(({ charts }) => charts.map(({ key }) => key)))
  for (const [key, plot] of plots)
    if (!keys.has(key)) {
      plot.destroy()
      plots.delete(key)
    }
  const nodes = sections.map(({ title, charts, folded }) => {
    for (const chart of charts) if (!plots.has(chart.key)) plots.set(chart.key, new Plot(chart))
    const grid = h('div', { class: 'charts' }, ...charts.map(({ key }) => plots.get(key).node))
    if (!folded) return h('section', {}, h('h2', {}, title), grid)
    return h('details', { ontoggle: () => drawCurves() }, h('summary', {}, `${title} (${charts.length})`), grid)
  })
  place.replaceChildren(
    ...(nodes.length > 0 ? nodes : [h('p', { class: 'empty' }, 'No metrics yet: waiting for the first step.')]),
  )
}

let scheduled = false
function draw() {
  if (scheduled) return
  scheduled = true
  requestAnimationFrame(() => {
    scheduled = false
    drawOverview()
    if (state.view === 'curves') drawCurves()
    else drawSamples()
  })
}

function show(view) {
  state.view = view
  for (const name of ['curves', 'samples']) {
    byId(name).hidden = name !== view
    byId(`tab-${name}`).setAttribute('aria-selected', String(name === view))
  }
  draw()
}

// ------------------------------------------------------------------ theme

const themes = ['auto', 'light', 'dark']
function setTheme(theme) {
  if (theme === 'auto') delete document.documentElement.dataset.theme
  else document.documentElement.dataset.theme = theme
  byId('theme').textContent = theme[0].toUpperCase() + theme.slice(1)
  localStorage.setItem('rft-theme', theme)
  for (const plot of plots.values()) plot.restyle()
}
const nextTheme = () =>
  setTheme(themes[(themes.indexOf(localStorage.getItem('rft-theme') ?? 'auto') + 1) % themes.length])

// ------------------------------------------------------------------ keys

function stepRun(by) {
  const ids = [...state.runs.keys()]
  if (ids.length > 1) changed(() => showOnly(ids[(ids.indexOf(state.focus) + by + ids.length) % ids.length]))
}

const keys = {
  1: () => show('curves'),
  2: () => show('samples'),
  j: () => moveSample(-1), // down the list, which has the newest on top
  k: () => moveSample(1),
  '[': () => stepRun(-1),
  ']': () => stepRun(1),
  t: nextTheme,
  '?': () => byId('help').showModal(),
}

document.addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName)) return
  if (!Object.hasOwn(keys, event.key)) return
  event.preventDefault()
  if (/^[jk]$/.test(event.key) && state.view !== 'samples') show('samples')
  keys[event.key]()
})

function main() {
  setTheme(localStorage.getItem('rft-theme') ?? 'auto')
  byId('tab-curves').addEventListener('click', () => show('curves'))
  byId('tab-samples').addEventListener('click', () => show('samples'))
  byId('theme').addEventListener('click', nextTheme)
  byId('help-button').addEventListener('click', () => byId('help').showModal())
  byId('smoothing').addEventListener('input', ({ target }) => {
    state.smoothing = Number(target.value)
    draw()
  })
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => {
    for (const plot of plots.values()) plot.restyle()
  })
  document.addEventListener('choice', draw)
  const events = new EventSource('/api/events')
  events.addEventListener('run', ({ data }) => {
    applyUpdate(JSON.parse(data))
    draw()
  })
  events.addEventListener('ready', () => document.body.classList.remove('offline'))
  events.addEventListener('error', () => {
    document.body.classList.add('offline')
    byId('status').textContent = 'the dashboard has ended; what is shown may be old'
  })
}

main()
