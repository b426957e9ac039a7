/** What the page knows: every run's records as columns, its samples and alarms, and what the reader has chosen. */

const notFinite = { NaN: Number.NaN, Infinity: Number.POSITIVE_INFINITY, '-Infinity': Number.NEGATIVE_INFINITY }

class Run {
  constructor(id) {
    this.id = id
    this.facts = { name: id, dir: '', steps: null, trainer: null, model: null, seed: null }
    this.samples = []
    this.alarms = []
    this.modified = 0
    this.clear()
  }

  clear() {
    /** Strictly increasing: a step's training and evaluation records are one row. */
    this.steps = []
    /** @type {Map<string, (number | null)[]>} */
    this.columns = new Map()
  }

  addMetrics({ reset, steps, values, modified }) {
    if (reset) this.clear()
    this.modified = modified
    for (const [i, step] of steps.entries()) {
      if (step !== this.steps.at(-1)) {
        this.steps.push(step)
        for (const column of this.columns.values()) column.push(null)
      }
      for (const name of Object.keys(values)) {
        const value = values[name][i]
        if (value === null) continue
        let column = this.columns.get(name)
        if (!column) {
          column = new Array(this.steps.length).fill(null)
          this.columns.set(name, column)
        }
        column[this.steps.length - 1] = typeof value === 'number' ? value : (notFinite[value] ?? null)
      }
    }
  }

  column(name) {
    return this.columns.get(name) ?? []
  }

  /** The last `count` values that are there. */
  latest(name, count = 1) {
    return this.column(name)
      .filter((value) => value !== null)
      .slice(-count)
  }

  earliest(name, count = 1) {
    return this.column(name)
      .filter((value) => value !== null)
      .slice(0, count)
  }
}

export const state = {
  /** @type {Map<string, Run>} */
  runs: new Map(),
  /** Ids of the runs that are drawn, in the order of the list. */
  shown: [],
  /** The run whose completions and numbers are shown. */
  focus: null,
  smoothing: 0.6,
  view: 'curves',
}

export function applyUpdate(update) {
  let run = state.runs.get(update.id)
  if (!run) {
    run = new Run(update.id)
    state.runs.set(update.id, run)
    if (state.shown.length < 1) state.shown.push(update.id)
    state.focus ??= update.id
  }
  if (update.facts) run.facts = update.facts
  if (update.metrics) run.addMetrics(update.metrics)
  if (update.samples) run.samples = [...(update.samples.reset ? [] : run.samples), ...update.samples.entries]
  if (update.alarms) run.alarms = [...(update.alarms.reset ? [] : run.alarms), ...update.alarms.raised]
}

export const focused = () => state.runs.get(state.focus)
export const shownRuns = () => state.shown.flatMap((id) => state.runs.get(id) ?? [])

/** A run keeps its colour whichever others are shown. */
export const colorIndex = (run) => Number(run.id) % 8

export function toggleRun(id) {
  const rest = state.shown.filter((other) => other !== id)
  const next = rest.length < state.shown.length ? rest : [...rest, id]
  if (next.length === 0) return
  state.shown = [...state.runs.keys()].filter((known) => next.includes(known))
  if (!state.shown.includes(state.focus)) state.focus = state.shown[0]
}

/** Shows one run alone. */
export function showOnly(id) {
  state.shown = [id]
  state.focus = id
}
