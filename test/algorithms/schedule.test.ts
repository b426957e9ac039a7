import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { learningRate, type ScheduleKind } from '../../src/algorithms/index.ts'

interface Case {
  name: string
  base_lr: number
  warmup_steps: number
  total_steps: number
  options: { min_lr_rate?: number }
  lr_used_at_step: number[]
}
const cases = JSON.parse(readFileSync(new URL('../fixtures/optim/schedules.json', import.meta.url), 'utf8')) as Case[]

test.each(cases)('$name, warm-up $warmup_steps', (c) => {
  const schedule = {
    kind: c.name.split('_')[0] as ScheduleKind,
    base: c.base_lr,
    warmupSteps: c.warmup_steps,
    totalSteps: c.total_steps,
    minRatio: c.options.min_lr_rate ?? 0,
  }
  expect(c.lr_used_at_step).toHaveLength(50)
  for (const [step, want] of c.lr_used_at_step.entries())
    expect(Math.abs(learningRate(step, schedule) - want)).toBeLessThanOrEqual(1e-9 * want)
})

test('past the end a decaying schedule stays at its floor', () => {
  const schedule = { base: 1, warmupSteps: 0, totalSteps: 10 }
  expect(learningRate(11, { kind: 'linear', ...schedule })).toBe(0)
  expect(learningRate(15, { kind: 'cosine', ...schedule })).toBe(0)
})
