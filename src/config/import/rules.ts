/** What becomes of each setting of another trainer, and the record of it: nothing is dropped without a word. */
import type { Settings } from './settings.ts'

/** A setting of ours. */
export interface Assignment {
  /** Dotted key. */
  key: string
  value: unknown
  /** Something a reader should know about the change. */
  note?: string
}

/** One setting that stands for itself: our key, and how its value changes on the way. */
export interface Rename {
  to: string
  /** `undefined` = this value needs nothing here. */
  value?: (theirs: unknown) => unknown
}

/** Settings that are understood together. */
export interface Combination {
  /** Their keys; it applies when any of them is there. */
  from: readonly string[]
  /** @param get their value, `undefined` when absent or null. */
  apply(get: (key: string) => unknown, hints: ImportHints): Assignment[]
}

/** What only the user knows. */
export interface ImportHints {
  /** Rows of the training data, for runs whose length is given in epochs. */
  rows: number | null
  /** Text of a file that a setting names, or `null`. */
  readText(name: string): string | null
}

export interface ImportStyle {
  name: 'trl' | 'verl' | 'easyr1'
  /** Whether settings are of this trainer. */
  recognise(settings: Settings): boolean
  renames: Readonly<Record<string, Rename>>
  combinations: readonly Combination[]
  /** Settings with nothing to do here, and why; a key that ends in `.*` or `*` stands for all that begin so. */
  needless: readonly [why: string, keys: readonly string[]][]
}

export interface ImportReport {
  style: ImportStyle['name']
  /** Their settings, and what they became. */
  mapped: { from: { key: string; value: unknown }[]; to: Assignment[] }[]
  /** Settings that have no part to play here. */
  needless: { key: string; value: unknown; why: string }[]
  /** Settings that nobody here knows. */
  unknown: { key: string; value: unknown }[]
}

/** Applies the rules of a style to settings, each of which ends up in exactly one list of the report. */
export function applyRules(style: ImportStyle, settings: Settings, hints: ImportHints): ImportReport {
  const report: ImportReport = { style: style.name, mapped: [], needless: [], unknown: [] }
  const combined = new Set(style.combinations.flatMap(({ from }) => from))
  const get = (key: string) => settings.get(key) ?? undefined
  for (const { from, apply } of style.combinations) {
    const there = from.filter((key) => settings.has(key))
    if (there.length === 0) continue
    const to = apply(get, hints)
    report.mapped.push({ from: there.map((key) => ({ key, value: settings.get(key) })), to })
  }
  for (const [key, value] of settings) {
    if (combined.has(key)) continue
    const rename = Object.hasOwn(style.renames, key) ? style.renames[key] : undefined
    const why = whyNeedless(style, key)
    if (rename && value !== null) {
      const ours = rename.value ? rename.value(value) : value
      report.mapped.push({ from: [{ key, value }], to: ours === undefined ? [] : [{ key: rename.to, value: ours }] })
    } else if (rename) report.needless.push({ key, value, why: 'not set' })
    else if (why !== null) report.needless.push({ key, value, why })
    else report.unknown.push({ key, value })
  }
  return report
}

function whyNeedless({ needless }: ImportStyle, key: string): string | null {
  for (const [why, keys] of needless)
    if (keys.some((known) => (known.endsWith('*') ? key.startsWith(known.slice(0, -1)) : key === known))) return why
  return null
}
