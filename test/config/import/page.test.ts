/** docs/coming-from.md: every row of its tables is what the import does with that one setting. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parse, stringify } from 'yaml'
import { importConfig, type StyleName } from '../../../src/config/import/index.ts'

const page = readFileSync(join(import.meta.dirname, '../../../docs/coming-from.md'), 'utf8')
const styles: [title: string, StyleName][] = [
  ['TRL', 'trl'],
  ['verl', 'verl'],
  ['EasyR1', 'easyr1'],
]

let dir: string
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'rft-page-'))
})
afterAll(() => rmSync(dir, { recursive: true }))

/** `key: value` on both sides of a row. */
function rowsOf(title: string): [theirs: string, ours: string][] {
  const start = page.indexOf(`\n## ${title}\n`)
  const end = page.indexOf('\n## ', start + 1)
  const section = page.slice(start, end < 0 ? undefined : end)
  return [...section.matchAll(/^\| `([^`]+: [^`]+)` *\| `([^`]+: [^`]+)` *\|$/gm)].map(([, theirs, ours]) => [
    theirs!,
    ours!,
  ])
}

function setting(text: string): { key: string; value: unknown } {
  const [[key, value]] = Object.entries(parse(text) as Record<string, unknown>) as [[string, unknown]]
  return { key, value: value }
}

describe.each(styles)('%s', (title, from) => {
  const rows = rowsOf(title)
  test('has a table', () => expect(rows.length).toBeGreaterThan(15))
  test.each(rows)('%s', (theirs, ours) => {
    const file = join(dir, 'theirs.yaml')
    const { key, value } = setting(theirs)
    writeFileSync(file, stringify({ [key]: value }))
    const { report } = importConfig(file, { from })
    const found = report.mapped.flatMap(({ to }) => to)
    const expected = setting(ours)
    expect(found.find((one) => one.key === expected.key)?.value).toEqual(expected.value)
  })
})
