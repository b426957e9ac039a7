import { expect, it } from 'vitest'
import { Phases } from '../../src/metrics/phases.ts'

it('adds up the seconds of each phase and starts anew when taken', async () => {
  let now = 0
  const phases = new Phases(() => now)
  const spend = (ms: number) => () => {
    now += ms
    return ms
  }
  expect(await phases.time('rollout', spend(1500))).toBe(1500)
  await phases.time('update', async () => spend(250)())
  await phases.time('rollout', spend(500))
  expect(phases.take()).toEqual({ 'timing/rollout': 2, 'timing/update': 0.25 })
  expect(phases.take()).toEqual({})
})

it('counts a phase that fails and passes the error on', async () => {
  let now = 0
  const phases = new Phases(() => now)
  const failing = phases.time('rewards', () => {
    now += 100
    throw new Error('no')
  })
  await expect(failing).rejects.toThrow('no')
  expect(phases.take()).toEqual({ 'timing/rewards': 0.1 })
})
