import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { stringify } from 'yaml'
import { rft } from '../cli/harness.ts'
import { tinyVlInput, writeTinyVl } from '../trainer/tiny_vl.ts'

let dir: string
beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'rft-eval-'))
  await writeTinyVl(dir)
  writeFileSync(join(dir, 'config.yaml'), stringify(tinyVlInput(dir, join(dir, 'run'))))
})
afterAll(() => rmSync(dir, { recursive: true }))

const config = () => join(dir, 'config.yaml')

describe('rft eval in depth', () => {
  it('draws samples, counts by a column, and gives the same numbers twice', async () => {
    const command = ['eval', config(), '--samples', '4', '--by', 'kind', '--right-by', 'format', '--json']
    const first = await rft(command)
    expect(first).toMatchObject({ code: 0 })
    const { all, sources, samples, rightBy } = JSON.parse(first.stdout)
    expect([samples, rightBy, all.rows]).toEqual([4, 'format', 6])
    expect(all.pass.map(({ k }: { k: number }) => k)).toEqual([1, 2, 4])
    expect(all.pass[0].estimate.value).toBeCloseTo(all.mean.value, 12)
    expect(sources.length).toBeGreaterThan(1)
    expect((await rft(command)).stdout).toBe(first.stdout)
  })

  it('prints a table, writes a page and every row', async () => {
    const [page, rows] = [join(dir, 'eval.html'), join(dir, 'rows.jsonl')]
    const files = ['--page', page, '--completions', rows]
    const { code, stdout } = await rft(['eval', config(), '--samples', '2', '--rows', '3', '--by', 'kind', ...files])
    expect(code).toBe(0)
    expect(stdout).toMatch(/^ +rows +greedy +mean@2 +maj@2 +pass@2$/m)
    expect(stdout).toMatch(/^all +3 +\d+\.\d % \(\d+\.\d to \d+\.\d\)/m)
    const html = readFileSync(page, 'utf8')
    expect(html).toContain('<h1>Evaluation: held_out.jsonl</h1>')
    expect(html).not.toMatch(/<script|href=|src="(?!data:image\/png;base64,)/)
    expect(html.match(/<img alt="image of the prompt" src="data:/g)).toHaveLength(3)
    expect(html).toContain('img-src data:')
    const lines = readFileSync(rows, 'utf8').trim().split('\n')
    expect(lines).toHaveLength(3)
    expect(JSON.parse(lines[0]!)).toMatchObject({ greedy: { score: 0 }, samples: [{}, {}] })
  })

  it('asks a benchmark of a model folder, with its own judge', async () => {
    const shapes = readFileSync(join(dir, 'data', 'held_out.jsonl'), 'utf8')
      .trim()
      .split('\n')
    const items = shapes.map((line) => {
      const { images, problem, answer } = JSON.parse(line)
      return JSON.stringify({ image_path: images[0], question: problem.replace('<image>', ''), ground_truth: answer })
    })
    writeFileSync(join(dir, 'data', 'geoqa_test_prompts.jsonl'), items.join('\n'))
    const command = [
      'eval',
      join(dir, 'model'),
      '--benchmark',
      'geoqa',
      '--benchmark-files',
      join(dir, 'data'),
      '--json',
    ]
    const { code, stdout, stderr } = await rft([...command, '--set', 'eval.maxNewTokens=8'])
    expect([code, stderr]).toEqual([0, '6 of 6 rows\n'])
    expect(JSON.parse(stdout)).toMatchObject({
      rightBy: 'accuracy',
      samples: 0,
      all: { rows: 6, mean: null, pass: [] },
    })
  })

  it.each([
    [['--benchmark', 'geoqa'], /--benchmark-files: expected the folder of geoqa but received nothing/],
    [['--benchmark', 'chess'], /Expected one of mathvista/],
    [['--samples', '0'], /whole number from 1/],
    [['--samples', '1', '--right-by', 'luck'], /--right-by: expected one of format, accuracy but received "luck"/],
  ])('refuses %j', async (flags, message) => {
    const { code, stderr } = await rft(['eval', config(), ...flags])
    expect(code).toBe(2)
    expect(stderr).toMatch(message)
  })
})
