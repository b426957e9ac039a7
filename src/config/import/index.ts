/** Configurations of other trainers, made ours. To add one: a file with its `ImportStyle`, one line here. */
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { stringify } from 'yaml'
import { InputError } from '../../core/errors.ts'
import { easyr1 } from './easyr1.ts'
import { applyRules, type ImportReport, type ImportStyle } from './rules.ts'
import { readSettings, type Settings } from './settings.ts'
import { trl } from './trl.ts'
import { verl } from './verl.ts'

export type { ImportReport } from './rules.ts'

const styles: readonly ImportStyle[] = [easyr1, verl, trl]
export type StyleName = ImportStyle['name']
export const styleNames = styles.map(({ name }) => name) as [StyleName, ...StyleName[]]

export interface ImportOptions {
  /** Default: recognised by its keys. */
  from?: StyleName
  /** Rows of the training data, for lengths in epochs. */
  rows?: number
}

export interface Imported {
  /** Our configuration; what is not in it is the preset's or a default. */
  settings: Record<string, unknown>
  report: ImportReport
}

/**
 * Reads a configuration of TRL, verl or EasyR1: YAML, a script, or an argument file. Defaults of that trainer come with
 * `algorithm.preset`.
 *
 * @throws InputError for a file that cannot be read or is of none of them.
 * @example
 * const { settings, report } = importConfig('examples/config.yaml', { rows: 12_000 })
 * report.unknown // what nobody here knows
 */
export function importConfig(file: string, options: ImportOptions = {}): Imported {
  const theirs = readSettings(file)
  const style = styles.find(({ name, recognise }) => (options.from ? name === options.from : recognise(theirs)))
  if (!style)
    throw new InputError(file, `settings of ${styleNames.join(', ')}`, firstKeys(theirs), 'Say whose with --from')
  const report = applyRules(style, theirs, {
    rows: options.rows ?? null,
    readText: (name) => {
      const places = [resolve(name), join(dirname(file), name), join(dirname(file), '..', name)]
      const found = places.find((place) => existsSync(place))
      return found ? readFileSync(found, 'utf8') : null
    },
  })
  const settings: Record<string, unknown> = {}
  assign(settings, 'algorithm.preset', style.name)
  assign(settings, 'metrics.style', style.name)
  for (const { to } of report.mapped) for (const { key, value } of to) if (value !== null) assign(settings, key, value)
  fillRequired(settings, style.name)
  return { settings, report }
}

/** The file to write: the settings, and above them what needs a look. */
export function importedYaml({ settings, report }: Imported, source: string): string {
  const notes = report.mapped.flatMap(({ to }) => to.flatMap(({ key, note }) => (note ? [`${key}: ${note}`] : [])))
  const unknown = report.unknown.map(({ key, value }) => `not imported: ${key} = ${JSON.stringify(value)}`)
  const head = [`Made from ${source} (${report.style}) by rft config import.`, ...notes, ...unknown]
  return `${head.map((line) => `# ${line.replaceAll(/\s+/g, ' ')}\n`).join('')}${stringify(settings)}`
}

/** What a run cannot do without. */
function fillRequired(settings: Record<string, unknown>, name: string): void {
  const needed: [string, unknown][] = [
    ['run.dir', `runs/${name}`],
    ['model.path', 'models/name-one'],
    ['data.train', ['data/train.jsonl']],
    ['train.steps', 100],
  ]
  for (const [key, value] of needed) if (at(settings, key) === undefined) assign(settings, key, value)
  const evaluates = Array.isArray(at(settings, 'data.eval')) && (at(settings, 'data.eval') as unknown[]).length > 0
  if (evaluates || at(settings, 'eval') === undefined) return
  assign(settings, 'eval.every', 0)
  assign(settings, 'eval.atStart', false)
}

function assign(root: Record<string, unknown>, key: string, value: unknown): void {
  const parts = key.split('.')
  const last = parts.pop()!
  let node = root
  for (const part of parts) {
    node[part] ??= {}
    node = node[part] as Record<string, unknown>
  }
  node[last] = value
}

const at = (root: Record<string, unknown>, key: string): unknown =>
  key.split('.').reduce<unknown>((node, part) => (node as Record<string, unknown> | undefined)?.[part], root)

const firstKeys = (settings: Settings) => [...settings.keys()].slice(0, 3).join(', ')
