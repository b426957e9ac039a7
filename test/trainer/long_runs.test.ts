/** What a run does when something goes wrong on the way, and when somebody asks it to stop. */
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { checkpointPath, listCheckpoints } from '../../src/checkpoint/retention.ts'
import { readTrainerState } from '../../src/checkpoint/trainer_state.ts'
import type { ConfigInput } from '../../src/config/schema.ts'
import { readMetrics } from '../../src/metrics/jsonl.ts'
import type { MetricsSink } from '../../src/metrics/types.ts'
import type { Policy } from '../../src/trainer/policy.ts'
import { trainRun } from '../../src/trainer/train.ts'
import { openBigramRun, temporaryFolder } from './runs.ts'

let folder: ReturnType<typeof temporaryFolder>
beforeEach(() => {
  folder = temporaryFolder()
})
afterEach(() => folder.remove())

const runDir = () => join(folder.dir, 'run')

/** Collects what a person would read. */
function listener(): MetricsSink & { notes: string[]; rewound: number[] } {
  const notes: string[] = []
  const rewound: number[] = []
  return { notes, rewound, step() {}, note: (text) => notes.push(text), rewind: (s) => rewound.push(s), close() {} }
}

const open = (input: Partial<ConfigInput>, change?: (policy: Policy) => void, resume?: string) =>
  openBigramRun(runDir(), { input, change, resume })

/** Losses of these steps are NaN, the first time round or always. */
function poison({ run, policy }: Awaited<ReturnType<typeof open>>, steps: number[], always = false) {
  const original = policy.forwardBackward.bind(policy)
  const left = new Set(steps)
  policy.forwardBackward = async (...call) => {
    const output = await original(...call)
    const step = run.state.step + 1
    if (left.has(step)) output.policy!.loss = Number.NaN
    if (!always) left.delete(step)
    return output
  }
}

describe('going back', () => {
  const input: Partial<ConfigInput> = {
    train: { steps: 12, maxSkippedSteps: 2, tokensPerMicroBatch: 10_000 },
    checkpoint: { every: 2, keepLast: 3 },
    eval: { atEnd: false },
    algorithm: { kl: { coef: 0.05 } },
  }

  test('after too many skipped steps the run goes on from a checkpoint before the last update, with other rows', async () => {
    const opened = await open(input)
    const { run } = opened
    poison(opened, [7, 8, 9])
    const sink = listener()
    const { state } = await trainRun(run, { sinks: [sink] })
    run.dispose()
    expect(sink.rewound).toEqual([4])
    expect(sink.notes).toContain('step 9: 3 skipped steps in a row; back to step 4, on with other rows')
    expect(state).toMatchObject({ step: 12, rollbacks: 1, skipped: 3, skippedInARow: 0, optimizerSteps: 12 })
    expect(state.rowsSeen).toBe(4 * (9 + 8))
    expect(readMetrics(runDir()).map((r) => r.step)).toEqual(Array.from({ length: 12 }, (_, i) => i + 1))
    expect(await readTrainerState(checkpointPath(runDir(), 12))).toEqual(state)
  })

  test('a run that does not get better by going back ends', async () => {
    const opened = await open(input)
    const { run } = opened
    poison(opened, [7, 8, 9], true)
    await expect(trainRun(run)).rejects.toThrow(
      /at most 2 skipped steps in a row but received 3, after going back 2 times/,
    )
    run.dispose()
  })

  test('no checkpoint is saved of a skipped step', async () => {
    const opened = await open({ ...input, train: { ...input.train!, maxSkippedSteps: 9, steps: 9 } })
    const { run } = opened
    poison(opened, [6, 7, 8])
    await trainRun(run)
    run.dispose()
    expect(await listCheckpoints(runDir())).toEqual([2, 4, 9]) // 6 and 8 were skipped
  })
})

describe('stalls', () => {
  test('a generation without progress ends the run with a checkpoint of the step before', async () => {
    const { run, policy } = await open({ train: { steps: 9, stallSeconds: 0.2 } })
    const generate = policy.generate.bind(policy)
    policy.generate = async (requests, options) => {
      if (run.state.step < 3) return generate(requests, options)
      return new Promise(() => {}) // never, and deaf to the signal
    }
    const begin = performance.now()
    await expect(trainRun(run)).rejects.toThrow(
      'expected progress within 0.2 s but received none from generation. Look at what hangs',
    )
    run.dispose()
    expect(performance.now() - begin).toBeLessThan(40_000)
    expect(await listCheckpoints(runDir())).toEqual([3])
  }, 60_000)

  test('a long generation that makes progress is left alone', async () => {
    const { run, policy } = await open({ train: { steps: 1, stallSeconds: 0.3 }, eval: { atEnd: false } })
    const generate = policy.generate.bind(policy)
    run.policy.generate = async (requests, options, hooks) => {
      for (let i = 0; i < 12; i++) {
        await new Promise((done) => setTimeout(done, 60))
        hooks?.onProgress?.({ finished: 0, total: 1, tokens: i })
      }
      return generate(requests, options)
    }
    expect((await trainRun(run)).stopped).toBe(false)
    run.dispose()
  })
})

describe('a request to stop', () => {
  const slow = (policy: Policy, stop: AbortController) => {
    const generate = policy.generate.bind(policy)
    policy.generate = async (requests, options, hooks) => {
      if (requests[0]!.stream < 2 * 2 ** 20) return generate(requests, options)
      stop.abort()
      return new Promise((_, reject) => hooks!.signal!.addEventListener('abort', () => reject(hooks!.signal!.reason)))
    }
  }

  test('gives up a slow step that has not begun its update and saves the one before', async () => {
    const stop = new AbortController()
    const sink = listener()
    const { run } = await open({ checkpoint: { graceSeconds: 0.05 } }, (policy) => slow(policy, stop))
    const result = await trainRun(run, { stop: stop.signal, sinks: [sink] })
    run.dispose()
    expect(result).toMatchObject({ stopped: true, state: { step: 2 } })
    expect(sink.notes).toContain('step 3 was given up; it starts again when the run is resumed')
    const again = await open({}, undefined, result.checkpoint)
    expect((await trainRun(again.run)).state.step).toBe(8)
    again.run.dispose()
    const whole = await openBigramRun(join(folder.dir, 'whole'), {})
    await trainRun(whole.run)
    whole.run.dispose()
    expect(again.policy.values).toEqual(whole.policy.values)
  })

  test('lets a step finish whose update has begun', async () => {
    const stop = new AbortController()
    const { run } = await open({ checkpoint: { graceSeconds: 0 }, algorithm: { miniBatches: 4, kl: { coef: 0.05 } } })
    const step = run.optimizer.step.bind(run.optimizer)
    run.optimizer.step = async (input) => {
      stop.abort()
      await new Promise((done) => setTimeout(done, 40))
      return step(input)
    }
    const { state } = await trainRun(run, { stop: stop.signal })
    run.dispose()
    expect(state).toMatchObject({ step: 1, optimizerSteps: 4 })
  })
})

describe('saving in the background', () => {
  /** Checkpoints on disk as each step begins. */
  const savedAsStepsBegin = async (checkpoint: ConfigInput['checkpoint'], steps: number) => {
    const { run, policy } = await open({
      checkpoint: { keepLast: 99, ...checkpoint },
      train: { steps },
      eval: { atEnd: false },
    })
    const seen: number[][] = []
    const { generate } = policy
    policy.generate = async (...call) => {
      seen.push(await listCheckpoints(runDir()))
      return generate.apply(policy, call)
    }
    await trainRun(run)
    run.dispose()
    return seen
  }

  test('a run that saves each step begins the next one when the checkpoint is there', async () => {
    expect(await savedAsStepsBegin({ every: 1 }, 4)).toEqual([[], [1], [1, 2], [1, 2, 3]])
  })

  test('otherwise steps go on while a checkpoint is published, and saves keep their order', async () => {
    await savedAsStepsBegin({ every: 2 }, 10)
    expect(await listCheckpoints(runDir())).toEqual([2, 4, 6, 8, 10])
    for (const step of [2, 4, 6, 8, 10])
      expect((await readTrainerState(checkpointPath(runDir(), step))).step).toBe(step)
    expect(readdirSync(join(runDir(), 'checkpoints')).filter((name) => name.startsWith('.'))).toEqual([])
  })

  test('a failed save ends the run at the next step', async () => {
    const { run, policy } = await open({ checkpoint: { every: 2 }, train: { steps: 50 } })
    const save = policy.save.bind(policy)
    policy.save = async (file, header, sinks) => {
      await save(file, header, sinks)
      if (!file.includes('.tmp-4')) return
      // The half that runs in the background cannot read what is to be hashed.
      const { rmSync, mkdirSync } = await import('node:fs')
      rmSync(file)
      mkdirSync(file)
    }
    await expect(trainRun(run)).rejects.toThrow(/checkpoint .*step-4: expected a folder that can be written/)
    run.dispose()
    expect(run.state.step).toBeLessThan(8)
    expect(await listCheckpoints(runDir())).toEqual([2])
    expect(existsSync(join(runDir(), 'checkpoints', '.tmp-4'))).toBe(false)
  })
})
