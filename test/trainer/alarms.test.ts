/** Runs whose metrics raise alarms, and what the runs do about it. */
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { listCheckpoints } from '../../src/checkpoint/retention.ts'
import type { ConfigInput } from '../../src/config/schema.ts'
import { readAlarms } from '../../src/metrics/alarms.ts'
import { readMetrics } from '../../src/metrics/jsonl.ts'
import { trainRun } from '../../src/trainer/train.ts'
import { openBigramRun, temporaryFolder } from './runs.ts'

let folder: ReturnType<typeof temporaryFolder>
beforeEach(() => {
  folder = temporaryFolder()
})
afterEach(() => folder.remove())

const runDir = () => join(folder.dir, 'run')
const vanished = () => readAlarms(runDir()).filter(({ alarm }) => alarm === 'vanishing_advantages')
const equal = { name: 'accuracy', description: 'the same for all', score: () => 1 }
const vanishing = (action: string, steps = 2) => ({ vanishing_advantages: { action, thresholds: { steps } } })

async function run(input: Partial<ConfigInput>) {
  const notes: string[] = []
  const { run } = await openBigramRun(runDir(), { reward: equal as never, input })
  try {
    const sink = { step: () => {}, note: (text: string) => notes.push(text), close: () => {} }
    return { result: await trainRun(run, { sinks: [sink] }), notes }
  } finally {
    run.dispose()
  }
}

test('a warning is written down with its remedy, and the run goes on', async () => {
  const { result, notes } = await run({ alarms: vanishing('warn') })
  expect(result.stopped).toBe(false)
  expect(vanished().map(({ step, alarm, action }) => [step, alarm, action])).toEqual([
    [2, 'vanishing_advantages', 'warn'],
  ])
  expect(notes.some((note) => note.startsWith('ALARM vanishing_advantages: 100 % of the groups'))).toBe(true)
})

test('checkpoint saves where there would have been none', async () => {
  await run({ alarms: vanishing('checkpoint', 3), checkpoint: { keepLast: 5 } })
  expect(await listCheckpoints(runDir())).toEqual([3, 8])
})

test('stop ends the run with a checkpoint', async () => {
  const { result } = await run({ alarms: vanishing('stop', 3) })
  expect([result.stopped, result.state.step]).toEqual([true, 3])
  expect(await listCheckpoints(runDir())).toEqual([3])
})

test('rollback goes back and on with other rows, a bounded number of times', async () => {
  const { result, notes } = await run({
    alarms: vanishing('rollback', 3),
    checkpoint: { every: 1, keepLast: 8 },
    train: { steps: 8, maxRollbacks: 2 },
  })
  expect(result.state.step).toBe(8)
  expect(result.state.rollbacks).toBe(2)
  expect(notes.filter((note) => note.includes('an alarm was raised; back to step'))).toHaveLength(2)
  const steps = readMetrics(runDir()).filter(({ loss }) => loss !== undefined)
  expect(steps.map(({ step }) => step)).toEqual([1, 2, 3, 4, 5, 6, 7, 8])
})

test('an alarm that is off is not looked at; unknown ones are refused', async () => {
  await run({ alarms: vanishing('off') })
  expect(vanished()).toEqual([])
  await expect(run({ alarms: { vanishing: { action: 'warn' } } as never })).rejects.toThrow()
})
