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
      'rows     20, 20 with an answer, 20 with a target\nimages   20 in 20 files, 0 missing\ncolumns  kind (20)\n',
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
