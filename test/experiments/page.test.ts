import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { experiments, findExperiment } from '../../src/experiments/index.ts'
import { drawPage, writePage } from '../../src/experiments/page.ts'
import { rft } from '../cli/harness.ts'
import { answers, records, results } from './recorded.ts'

it('lists every experiment with its question', async () => {
  const { code, stdout } = await rft(['experiment'])
  expect(code).toBe(0)
  expect(new Set(experiments.map(({ name }) => name)).size).toBe(experiments.length)
  for (const { name, question } of experiments)
    expect(stdout).toMatch(new RegExp(`^${name} +${question.replaceAll('?', '\\?')}$`, 'm'))
})

it('refuses a name that is not in the list, with the closest one', async () => {
  const { code, stderr } = await rft(['experiment', 'grpo-vs-pp'])
  expect(code).toBe(2)
  expect(stderr).toMatch(/expected .*grpo-vs-ppo.* but received "grpo-vs-pp". Did you mean grpo-vs-ppo\?/)
})

it('writes one page that stands alone, and nothing half', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'rft-page-'))
  try {
    const experiment = findExperiment('grpo-vs-ppo')
    const { page } = await writePage(dir, experiment, results(experiment, {}), { seed: 3, steps: 10 })
    expect(await readdir(dir)).toEqual(['report.html'])
    const html = await readFile(page, 'utf8')
    expect(html).toContain("default-src 'none'")
    expect(html).not.toMatch(/<script|src="http|@import|url\(/)
    expect(html).toContain(experiment.question)
    expect(html).toContain('rft experiment grpo-vs-ppo --seed 3 --steps 10')
  } finally {
    await rm(dir, { recursive: true })
  }
})

it('shows accuracies with intervals, paired changes, and curves in the colours of their arms', () => {
  const experiment = findExperiment('grpo-vs-ppo')
  const given = results(experiment, {
    grpo: { answers: { arithmetic: answers(70) }, records: [] },
    ppo: { answers: { arithmetic: answers(55) }, records: records({ reward: [0.2, 0.4], kl: [0, 0.1] }) },
  })
  const html = drawPage(experiment, given, experiment.conclude(given), { seed: 0, steps: 10 })
  expect(html).toMatch(/GRPO<\/a><\/th><td>70.0 % \(60.4 to 78.1\)<\/td><td>\+20.0 \(12.1 to 27.9\)<\/td>/)
  expect(html).toMatch(/PPO<\/a><\/th><td>55.0 %/)
  const kl = html.slice(html.indexOf('aria-label="KL"'))
  expect(kl.slice(0, kl.indexOf('</svg>'))).toMatch(/class="line c1/)
  expect(kl.slice(0, kl.indexOf('</svg>'))).not.toMatch(/class="line c0/)
})

it('escapes what an arm is called', () => {
  const experiment = { ...findExperiment('grpo-vs-ppo'), question: '<b>&' }
  const given = results(experiment, {})
  const html = drawPage(experiment, given, { answer: '<i>', figures: [] }, { seed: 0, steps: 1 })
  expect(html).toContain('<h1>&lt;b&gt;&amp;</h1>')
  expect(html).toContain('&lt;i&gt;</p>')
})
