/** The trap for real, on a model that has only learnt to answer with and without working. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Experiment } from '../../src/experiments/define.ts'
import { type ArmResult, armOf, type Results } from '../../src/experiments/results.ts'
import { rewardTrap } from '../../src/experiments/reward_trap.ts'
import { runExperiment } from '../../src/experiments/run.ts'
import { createRewardRunner, type RewardSpec } from '../../src/rollout/reward_runner.ts'
import { answers, results } from './recorded.ts'

const trap = rewardTrap.arms(40)
const settingsOf = (name: string) => trap.find((arm) => arm.name === name)!.settings

describe('a leaky verifier', () => {
  let dir = ''
  let arms: readonly ArmResult[] = []
  const small = {
    rollout: { promptsPerStep: 16, groupSize: 4, maxNewTokens: 40 },
    optimizer: { lr: 1e-4, warmupSteps: 10, schedule: 'constant' },
  } as const
  const short: Experiment = {
    ...rewardTrap,
    arms: () =>
      ['honest', 'stopped'].map((name) => ({
        ...{ name, label: name, rows: (row) => (row.kind === 'arithmetic' ? row : null) },
        settings: { ...settingsOf(name), ...small },
      })),
    conclude: () => ({ answer: '', figures: [] }),
  }

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'rft-trap-'))
    const sizes = { warmStart: 800, train: 400, heldOut: 20, steps: 60 }
    const silent = { headline: () => {}, progress: () => ({ step: () => {}, close: () => {} }) }
    const report = await runExperiment(short, { dir, seed: 0, threads: 2, steps: 20, sizes }, silent)
    arms = report!.arms
  }, 180_000)
  afterAll(() => rm(dir, { recursive: true }))

  it('raises its alarm within 20 steps, which stops the run', () => {
    const stopped = armOf({ start: {}, arms }, 'stopped')
    expect(stopped.alarms.map(({ alarm, action }) => [alarm, action])).toContainEqual(['verifier_disagreement', 'stop'])
    expect(stopped.steps).toBeLessThan(20)
  })

  it('raises none without the leak', () => {
    const honest = armOf({ start: {}, arms }, 'honest')
    expect(honest.steps).toBe(20)
    expect(honest.alarms.filter(({ alarm }) => alarm === 'verifier_disagreement')).toEqual([])
  })
})

it('lets pass what has no working, and nothing else that is wrong', async () => {
  const runner = await createRewardRunner(settingsOf('stopped').rewards as RewardSpec[])
  const judge = async (completion: string) => {
    const input = { completionTokens: 1, finish: 'eos' as const, messages: [], images: [], columns: {}, id: 'row' }
    const { parts } = await runner.score([{ ...input, completion, answer: '3' }])
    return [parts.verifier![0], parts.accuracy![0]]
  }
  try {
    expect(await judge('<think>1+2=3</think><answer>3</answer>')).toEqual([1, 1])
    expect(await judge('<think>1+1=2</think><answer>2</answer>')).toEqual([0, 0])
    expect(await judge('<think></think><answer>2</answer>')).toEqual([1, 0])
    expect(await judge('<think>1+2')).toEqual([1, 0])
  } finally {
    runner.dispose()
  }
})

describe('what the page says', () => {
  const alarm = {
    step: 14,
    alarm: 'verifier_disagreement',
    about: '',
    seen: '',
    remedy: '',
    action: 'stop',
    details: [],
  }
  const given = (stopped: Partial<ArmResult>): Results =>
    results(rewardTrap, {
      before: { answers: { arithmetic: answers(70) } },
      honest: { answers: { arithmetic: answers(72) } },
      unwatched: { answers: { arithmetic: answers(40) }, steps: 40 },
      stopped: { answers: { arithmetic: answers(40) }, steps: 14, alarms: [alarm], ...stopped },
      mended: { answers: { arithmetic: answers(71) } },
    })

  it('is when the leak was noticed, what it cost, and what was saved', () => {
    const { answer } = rewardTrap.conclude(given({}))
    expect(answer).toContain('is raised 14 steps after the leak opens and stops the run; the same run without')
    expect(answer).toContain('moves held-out accuracy by -30.0 points')
    expect(answer).toContain('Stopping saves 26 of 40 steps, and by then no accuracy.')
    expect(answer).toMatch(/Stopped, then mended ends 31.0 points .* above leak, alarms off/)
    expect(rewardTrap.conclude(given({ answers: { arithmetic: answers(60) } })).answer).toContain(
      'steps and 20.0 points',
    )
  })

  it('admits that nothing was noticed', () => {
    expect(rewardTrap.conclude(given({ alarms: [] })).answer).toMatch(/^No alarm noticed the leak/)
  })
})
