/** Every test that README.md names is there. */
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { expect, it } from 'vitest'

const read = (file: string) => readFileSync(path.join(import.meta.dirname, file), 'utf8')
const rows = [...read('README.md').matchAll(/^\|.*\| `([^`]+)` +\| `([^`]+)` +\|$/gm)]

it('lists the bugs', () => expect(rows.length).toBeGreaterThan(18))

it.each(rows.map(([, file, name]) => ({ file: file!, name: name! })))('$file has a test $name', ({ file, name }) => {
  expect(read(file)).toContain(name)
})

it('uses no bulk copy that racecheck takes for a race', () => {
  const copies = read('../../native/simt/ptx_sm90.h').match(/cp\.async\.bulk\.(?!commit_group|wait_group)\w+/g) ?? []
  expect(new Set(copies)).toEqual(new Set(['cp.async.bulk.tensor']))
})
