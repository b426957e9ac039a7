/** The run list, the alarms, and the numbers of now. */
import { byId, formatDuration, formatNumber, formatPercent, h } from './dom.js'
import { colorIndex, focused, shownRuns, showOnly, state, toggleRun } from './state.js'

const mean = (values) => {
  const finite = values.filter(Number.isFinite)
  return finite.length === 0 ? null : finite.reduce((sum, value) => sum + value, 0) / finite.length
}

/** Means of what is noisy, single values of evaluations: now, and at the beginning. */
function change(run, name) {
  const count = name.startsWith('eval_') ? 1 : Math.max(1, Math.min(10, Math.floor(run.steps.length / 2)))
  return { now: mean(run.latest(name, count)), before: mean(run.earliest(name, count)) }
}

const tiles = [
  { label: 'reward', name: 'reward', format: formatNumber, change: true },
  { label: 'held-out accuracy', name: 'eval_accuracy', format: formatPercent, change: true },
  { label: 'loss', name: 'loss', format: formatNumber, without: 'reward' },
  { label: 'completion length', name: 'completions/mean_length', format: formatNumber, change: true },
  { label: 'KL', name: 'kl', format: formatNumber },
  { label: 'entropy', name: 'entropy', format: formatNumber },
  { label: 'grad norm', name: 'grad_norm', format: formatNumber },
  { label: 'tokens/s', name: 'tokens_per_second', format: (value) => formatNumber(value && Math.round(value)) },
]

function progress(run) {
  const done = run.steps.at(-1) ?? 0
  const { steps } = run.facts
  const perStep = mean(run.latest('step_time', 20))
  return { done, steps, left: steps !== null && perStep !== null ? (steps - done) * perStep : null }
}

export function drawOverview() {
  const runs = shownRuns()
  byId('overview').replaceChildren(runs.length > 1 ? comparison(runs) : tileRow(runs[0]))
  drawTitle()
  drawRuns()
  drawAlarms()
}

function tileRow(run) {
  if (!run) return h('p', { class: 'empty' }, 'No runs yet.')
  const { done, steps, left } = progress(run)
  const bar = h('progress', { max: steps ?? 1, value: steps === null ? 0 : done, 'aria-label': 'steps done' })
  const first = h('div', { class: 'tile' }, h('span', {}, left > 0 ? `step, ${formatDuration(left)} left` : 'step'))
  first.append(h('b', {}, steps === null ? String(done) : `${done} / ${steps}`), ...(steps === null ? [] : [bar]))
  const others = tiles.flatMap(({ label, name, format, change: compared, without }) => {
    const { now, before } = change(run, name)
    if (now === null || (without && run.columns.has(without))) return []
    const note = compared && before !== null && run.latest(name, 2).length > 1 ? `from ${format(before)}` : ''
    return [h('div', { class: 'tile' }, h('span', {}, label), h('b', {}, format(now)), h('small', {}, note))]
  })
  return h('div', { class: 'tile-row' }, first, ...others)
}

function comparison(runs) {
  const columns = tiles.filter(({ name }) => runs.some((run) => run.columns.has(name)))
  const head = h('tr', {}, h('th', {}, 'run'), h('td', {}, 'step'), ...columns.map(({ label }) => h('td', {}, label)))
  const rows = runs.map((run) => {
    const { done, steps } = progress(run)
    const cells = columns.map(({ name, format }) =>
      h('td', {}, run.columns.has(name) ? format(change(run, name).now) : '–'),
    )
    const name = h('th', {}, h('i', { class: `dot c${colorIndex(run)}` }), run.facts.name)
    return h('tr', {}, name, h('td', {}, steps === null ? String(done) : `${done} / ${steps}`), ...cells)
  })
  return h('div', { class: 'scroll' }, h('table', {}, h('thead', {}, head), h('tbody', {}, ...rows)))
}

function drawTitle() {
  const run = focused()
  if (!run) return
  const several = state.shown.length > 1
  byId('run-title').textContent = several ? `${state.shown.length} runs` : run.facts.name
  document.title = `${run.facts.name} · rft`
  const { trainer, model, seed } = run.facts
  const facts = [trainer, model && `model ${model}`, seed !== null && `seed ${seed}`].filter(Boolean).join(' · ')
  byId('status').textContent = several ? '' : [liveness(run), facts].filter(Boolean).join(' · ')
}

/** Written to in the last three steps' time, finished, or quiet. */
function liveness(run) {
  const { done, steps } = progress(run)
  if (steps !== null && done >= steps) return 'finished'
  const age = (Date.now() - run.modified) / 1000
  const expected = Math.max(60, 3 * (mean(run.latest('step_time', 5)) ?? 0))
  return age < expected ? 'training' : `nothing new for ${formatDuration(age)}`
}

function drawRuns() {
  const list = byId('runs')
  list.hidden = state.runs.size < 2
  const key = [...state.runs.values()].map((run) => `${run.facts.name} ${state.shown.includes(run.id)}`).join('\n')
  if (list.hidden || list.dataset.key === key) return
  list.dataset.key = key
  const items = [...state.runs.values()].map((run) => {
    const box = h('input', {
      ...{ type: 'checkbox', checked: state.shown.includes(run.id), 'aria-label': `compare ${run.facts.name}` },
      onchange: () => changed(() => toggleRun(run.id)),
    })
    const name = h('button', {
      type: 'button',
      title: `${run.facts.dir} (alone)`,
      onclick: () => changed(() => showOnly(run.id)),
    })
    name.append(h('i', { class: `dot c${colorIndex(run)}` }), run.facts.name)
    return h('li', { class: state.shown.includes(run.id) ? 'shown' : null }, box, name)
  })
  const active = list.contains(document.activeElement)
    ? [...list.querySelectorAll('input,button')].indexOf(document.activeElement)
    : -1
  list.replaceChildren(h('h2', {}, 'Runs'), h('ul', {}, ...items))
  if (active >= 0) list.querySelectorAll('input,button')[active]?.focus()
}

/** The page redraws itself on this event. */
export function changed(action) {
  action()
  document.dispatchEvent(new Event('choice'))
}

function drawAlarms() {
  const raised = shownRuns().flatMap((run) => run.alarms.map((alarm) => ({ ...alarm, run })))
  const place = byId('alarms')
  const open = place.querySelector('details')?.open ?? false
  if (raised.length === 0) return place.replaceChildren()
  const newest = raised.toSorted((a, b) => b.step - a.step)
  const name = ({ run }) => (state.shown.length > 1 ? `${run.facts.name}, ` : '')
  const items = newest.map((alarm) =>
    h(
      'li',
      {},
      h('p', {}, h('b', {}, `${name(alarm)}step ${alarm.step}: `), `${alarm.about} `, h('span', {}, alarm.seen)),
      h('p', { class: 'remedy' }, alarm.remedy),
      ...(alarm.details?.length > 0 ? [h('pre', {}, alarm.details.join('\n'))] : []),
    ),
  )
  const [last] = newest
  const summary = h('summary', {}, h('b', {}, `${raised.length} ${raised.length === 1 ? 'alarm' : 'alarms'}`))
  summary.append(` newest at step ${last.step}: ${last.about}`)
  place.replaceChildren(h('details', { class: 'alarms', open }, summary, h('ul', {}, ...items)))
}
