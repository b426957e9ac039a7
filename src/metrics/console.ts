/**
 * Progress for a person: in a terminal one line that is redrawn, with a bar, the numbers to watch and the time left;
 * elsewhere one plain line per step. Evaluations and notes stay on lines of their own.
 */
import { formatDuration, formatNumber, formatPercent } from './format.ts'
import { type Output, type Style, styleFor } from './style.ts'
import type { MetricsRecord, MetricsSink } from './types.ts'

export interface ConsoleOptions {
  /** Steps of the whole run. */
  total: number
  output?: Output
  environment?: NodeJS.ProcessEnv
  /** Milliseconds of a clock that never goes back. */
  now?: () => number
}

/** The numbers to watch, most wanted first. */
const watched: [name: string, label: string][] = [
  ['reward', 'reward'],
  ['loss', 'loss'],
  ['rewards/accuracy/mean', 'accuracy'],
  ['completions/mean_length', 'length'],
  ['kl', 'kl'],
  ['entropy', 'entropy'],
  ['grad_norm', 'grad'],
  ['learning_rate', 'lr'],
]

const clearLine = '\r\x1b[2K'

/** @example consoleSink({ total: config.train.steps }) */
export function consoleSink(options: ConsoleOptions): MetricsSink {
  const { total, output = process.stdout, environment = process.env, now = () => performance.now() } = options
  const style = styleFor(output, environment)
  const live = output.isTTY === true && environment.TERM !== 'dumb'
  const clock = new StepClock(now)
  let current = ''

  const print = (line: string) => output.write(live ? `${clearLine}${line}\n${current}` : `${line}\n`)
  return {
    step(record) {
      if (Object.keys(record).some((name) => name.startsWith('eval_'))) print(evaluationLine(record, style))
      if (!watched.some(([name]) => record[name] !== undefined)) return
      const left = clock.left(record.step, total)
      if (!live)
        return print(`${stepText(record, total)}  ${columns(record, style).join('  ')}  left ${formatDuration(left)}`)
      current = liveLine(record, total, left, style, output.columns ?? 80)
      output.write(clearLine + current)
    },
    note: (message) => print(message),
    close() {
      if (live && current !== '') output.write('\n')
      current = ''
    },
  }
}

/** Time left from the pace of the latest steps. The time before the first record is left out: it holds the start-up. */
class StepClock {
  readonly #now: () => number
  #last: { step: number; at: number } | null = null
  #secondsPerStep = Number.NaN

  constructor(now: () => number) {
    this.#now = now
  }

  left(step: number, total: number): number {
    const at = this.#now()
    if (this.#last && step > this.#last.step) {
      const latest = (at - this.#last.at) / 1000 / (step - this.#last.step)
      this.#secondsPerStep = Number.isNaN(this.#secondsPerStep) ? latest : 0.8 * this.#secondsPerStep + 0.2 * latest
    }
    this.#last = { step, at }
    return step >= total ? 0 : (total - step) * this.#secondsPerStep
  }
}

const stepText = (record: MetricsRecord, total: number) =>
  `step ${String(record.step).padStart(String(total).length)}/${total}`

function columns(record: MetricsRecord, style: Style): string[] {
  return watched.flatMap(([name, label]) => {
    const value = record[name]
    if (value === undefined) return []
    return [`${style('dim', label)} ${Number.isFinite(value) ? formatNumber(value) : style('red', String(value))}`]
  })
}

function liveLine(record: MetricsRecord, total: number, left: number, style: Style, width: number): string {
  const done = Math.min(1, record.step / total)
  const cells = Math.round(done * 20)
  const bar = style('cyan', '█'.repeat(cells)) + style('dim', '░'.repeat(20 - cells))
  const parts = [
    `${stepText(record, total)} ${bar}`,
    `${style('dim', 'left')} ${formatDuration(left)}`,
    ...columns(record, style),
  ]
  let line = ''
  for (const part of parts) {
    const next = line === '' ? part : `${line}  ${part}`
    if (visibleLength(next) >= width) break
    line = next
  }
  return line
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: the escape character starts a colour
const visibleLength = (text: string) => text.replaceAll(/\x1b\[[0-9;]*m/g, '').length

const watchedEvaluations = [/^accuracy$/, /^accuracy\//, /^reward$/, /^loss$/, /^completions\/mean_length$/]

function evaluationLine(record: MetricsRecord, style: Style): string {
  const names = Object.keys(record).flatMap((name) => (name.startsWith('eval_') ? [name.slice('eval_'.length)] : []))
  const shown = watchedEvaluations.flatMap((pattern) => names.filter((name) => pattern.test(name)))
  const parts = (shown.length > 0 ? shown : names).map((name) => {
    const value = record[`eval_${name}`]!
    return `${style('dim', name)} ${name.startsWith('accuracy') ? formatPercent(value) : formatNumber(value)}`
  })
  return `${style('bold', `evaluation at step ${record.step}`)}  ${parts.join('  ')}`
}
