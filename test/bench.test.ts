/** What the benchmarks import of the package exists: they run on the built package, out of the compiler's sight. */
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'

const root = path.join(import.meta.dirname, '..')
const bench = path.join(root, 'bench')
const scripts = readdirSync(bench, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.mjs'))

/** [names, module of src] of every import of the built package. */
function importsOf(script: string): [string[], string][] {
  const text = readFileSync(path.join(bench, script), 'utf8')
  return Array.from(text.matchAll(/^import \{([^}]*)\} from '(?:\.\.\/)+dist\/([^']*)\.js'$/gm), ([, names, file]) => [
    names!.split(',').flatMap((name) => name.trim().split(' as ')[0] || []),
    path.join(root, 'src', `${file}.ts`),
  ])
}

test('benchmarks import the package', () => {
  expect(scripts.flatMap(importsOf).length).toBeGreaterThan(5)
})

test.each(scripts.filter((script) => importsOf(script).length > 0))('%s imports names that exist', async (script) => {
  for (const [names, file] of importsOf(script)) {
    const exported = Object.keys(await import(file))
    for (const name of names) expect(exported, file).toContain(name)
  }
})
