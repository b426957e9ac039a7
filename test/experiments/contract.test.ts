/** What every experiment keeps to. */
import { describe, expect, it } from 'vitest'
import { experiments } from '../../src/experiments/index.ts'
import { drawPage } from '../../src/experiments/page.ts'
import { armConfig } from '../../src/experiments/settings.ts'
import { answers, records, results } from './recorded.ts'

const place = { dir: 'arm', data: 'd', model: 'm', seed: 0, threads: 0, steps: 10 }
const start = { arithmetic: answers(40), attribute: answers(50), compare: answers(50), count: answers(50) }
const metrics = records({
  ...{ reward: [0.5, 0.7], kl: [0, 0.1], step_time: [1, 1], frac_reward_zero_std: [0.2, 0.5] },
  ...{ 'rewards/accuracy/std': [0.5, 0.4], 'rewards/accuracy/mean': [0.5, 0.7], 'rewards/verifier/mean': [0.5, 0.9] },
  'eval_rewards/steps/mean': [0.2, 0.6],
})

describe.each(experiments)('$name', (experiment) => {
  const arms = experiment.arms(10)

  it('has arms whose settings are valid and whose names are folders', () => {
    expect(arms.length).toBeGreaterThan(1)
    expect(new Set(arms.map(({ name }) => name)).size).toBe(arms.length)
    for (const arm of arms) {
      expect(arm.name).toMatch(/^[a-z0-9][a-z0-9.-]*$/)
      expect(arm.label.length).toBeLessThanOrEqual(22)
      expect(armConfig(arm, place).eval.atEnd).toBe(true)
    }
  })

  it('begins arms with what earlier ones ended with', () => {
    for (const [i, { after }] of arms.entries())
      if (after !== undefined) expect(arms.slice(0, i).map(({ name }) => name)).toContain(after)
  })

  it('answers its question in sentences from any results, and draws its figures', () => {
    const same = Object.fromEntries(arms.map(({ name }) => [name, { records: metrics, answers: start }]))
    const apart = Object.fromEntries(
      arms.map(({ name }, i) => [name, { records: metrics, answers: { ...start, arithmetic: answers(20 + 15 * i) } }]),
    )
    for (const of of [same, apart]) {
      const given = { ...results(experiment, of), start }
      const findings = experiment.conclude(given)
      expect(findings.answer).toMatch(/^[A-Z].*\.$/s)
      expect(findings.answer).not.toMatch(/NaN|undefined|Infinity/)
      expect(findings.figures.length).toBeGreaterThan(0)
      const html = drawPage(experiment, given, findings, { seed: 0, steps: 10 })
      for (const figure of findings.figures) expect(figure).toContain('</svg>')
      expect(html).not.toMatch(/NaN|undefined/)
    }
  })
})
