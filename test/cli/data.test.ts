import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { rft } from './harness.ts'

let dir: string
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'rft-cli-data-'))
})
afterAll(() => rmSync(dir, { recursive: true }))

it('draws shapes that check and preview', async () => {
  const shapes = join(dir, 'shapes')
  const sheet = join(dir, 'sheet.png')
  const drawn = await rft(['data', 'shapes', shapes, '--train', '12', '--held-out', '8', '--sheet', sheet])
  expect(drawn.code).toBe(0)
  expect(drawn.stdout).toContain(`${join(shapes, 'train.jsonl')}: 12 rows\n`)
  expect(drawn.stdout).toMatch(/ {2}count: \d+ rows, always ".+" is right in \d+\.\d %/)
  expect(existsSync(sheet)).toBe(true)

  const files = [join(shapes, 'train.jsonl'), join(shapes, 'held_out.jsonl')]
  const checked = await rft(['data', 'check', ...files])
  expect(checked).toEqual({
    code: 0,
    stdout:
      'rows     20, 20 with an answer, 20 with a target\nformats  easyr1 (20)\nimages   20 in 20 files, 0 missing\ncolumns  kind (20)\n',
    stderr: '',
  })

  const shown = await rft(['data', 'preview', files[0]!, '--rows', '2'])
  expect(shown.stdout.match(/train\.jsonl:\d/g)).toHaveLength(2)
  expect(shown.stdout).toMatch(/^ {2}user: <image>.+\n {2}image: .+000000\.png\n {2}answer: .+\n {2}target: /m)

  rmSync(join(shapes, 'train', '000003.png'))
  const missing = await rft(['data', 'check', files[0]!])
  expect(missing.code).toBe(2)
  expect(missing.stdout).toContain('1 missing')
  expect(missing.stderr).toMatch(
    /^error: .*train\.jsonl:4: expected an existing image file but received ".*000003\.png"/,
  )
})

it('names the line that does not parse', async () => {
  const file = join(dir, 'bad.jsonl')
  writeFileSync(file, '{"prompt": "a"}\nnot json\n')
  const { code, stderr } = await rft(['data', 'check', file])
  expect(code).toBe(2)
  expect(stderr).toContain(`error: ${file}:2: expected a JSON object but received "not json"`)
  expect(readFileSync(file, 'utf8')).toContain('not json')
})

it('reports every row that cannot be read, and goes on', async () => {
  const file = join(dir, 'several.jsonl')
  writeFileSync(file, '{"prompt": "a"}\nnot json\n{"prompt": 5}\n{"prompt": "b"}\n')
  const { code, stdout, stderr } = await rft(['data', 'check', file])
  expect(code).toBe(2)
  expect(stdout).toContain('rows     2,')
  expect(stderr).toContain('several.jsonl:2: expected')
  expect(stderr).toContain('several.jsonl:3: expected')
})

it('previews a parquet dataset as one page with its images', async () => {
  const page = join(dir, 'rows.html')
  const data = join(import.meta.dirname, '../fixtures/data/geo')
  const { code, stdout } = await rft(['data', 'preview', data, '--page', page])
  expect([code, stdout]).toEqual([0, `${page}: 3 rows\n`])
  const html = readFileSync(page, 'utf8')
  expect(html.match(/<img alt="image \d" src="data:image\/png;base64,/g)).toHaveLength(3)
  expect(html).toContain('user: &lt;image&gt;Find x.')
  expect(html).toContain('train-00000-of-00001.parquet:1')
  expect(html).toContain('<b>level</b> 1')
})
