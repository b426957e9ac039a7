import { mkdtemp, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { Config } from '../../src/config/schema.ts'
import type { Experiment } from '../../src/experiments/define.ts'
import { grpoVsPpo } from '../../src/experiments/grpo_vs_ppo.ts'
import { rightOf } from '../../src/experiments/results.ts'
import { runExperiment } from '../../src/experiments/run.ts'
import { readMetrics } from '../../src/metrics/jsonl.ts'
import type { MetricsRecord, MetricsSink } from '../../src/metrics/types.ts'

let dir = ''
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'rft-experiment-'))
})
afterAll(() => rm(dir, { recursive: true }))

const tiny: Experiment = {
  ...grpoVsPpo,
  arms: (steps) =>
    grpoVsPpo.arms(steps).map((arm) => ({
      ...arm,
      settings: { ...arm.settings, rollout: { promptsPerStep: 2, groupSize: 2, maxNewTokens: 4 } },
      rows: (row) => (row.kind === 'arithmetic' ? row : null),
    })),
}

interface Heard {
  headlines: string[]
  steps: [config: Config, record: MetricsRecord][]
}

function run(options: { steps?: number; fresh?: boolean; stop?: AbortSignal; onStep?: () => void } = {}) {
  const heard: Heard = { headlines: [], steps: [] }
  const sizes = { warmStart: 40, train: 40, heldOut: 20, steps: 2 }
  const { stop, onStep = () => {}, ...chosen } = options
  const report = runExperiment(
    tiny,
    { dir, seed: 5, threads: 2, steps: 3, sizes, ...chosen },
    {
      stop,
      headline: (text) => heard.headlines.push(text),
      progress: (config): MetricsSink => ({
        step(record) {
          if (record.loss === undefined) return
          heard.steps.push([config, record])
          if (config.algorithm.trainer !== 'sft') onStep()
        },
        close: () => {},
      }),
    },
  )
  return report.then((done) => ({ done, ...heard }))
}

const at = (...path: string[]) => join(dir, ...path)

it('stops when asked to, goes on from there, and does not repeat what is finished', { timeout: 120_000 }, async () => {
  const controller = new AbortController()
  const first = await run({ stop: controller.signal, onStep: () => controller.abort() })
  expect(first.done).toBeNull()
  expect(first.headlines.join()).toContain('warm start: 2 steps')
  const begun = readMetrics(at('grpo-vs-ppo-5', 'grpo')).filter(({ loss }) => loss !== undefined)
  expect(begun.map(({ step }) => step)).toEqual([1])

  const second = await run()
  expect(second.headlines.join()).not.toContain('warm start')
  expect(second.steps.map(([{ algorithm }, { step }]) => [algorithm.trainer, step])).toEqual([
    ['grpo', 2],
    ['grpo', 3],
    ['ppo', 1],
    ['ppo', 2],
    ['ppo', 3],
  ])
  const { page, arms } = second.done!
  expect((await readFile(page, 'utf8')).length).toBeGreaterThan(5000)
  for (const { steps, answers, completions, records } of arms) {
    expect(steps).toBe(3)
    expect(completions).toBe(12)
    expect(rightOf(answers)).toHaveLength(20)
    expect(records.some(({ kl }) => kl !== undefined)).toBe(true)
  }
  const rows = (await readFile(at('grpo-vs-ppo-5', 'ppo', 'train.jsonl'), 'utf8')).trim().split('\n')
  expect(rows.length).toBeGreaterThan(10)
  expect(rows.every((line) => JSON.parse(line).kind === 'arithmetic')).toBe(true)
  for (const name of ['metrics.jsonl', 'report.html', 'config.resolved.yaml', 'checkpoints/step-3'])
    expect(await stat(at('grpo-vs-ppo-5', 'ppo', name))).toBeTruthy()

  const third = await run()
  expect(third.steps).toEqual([])
  expect(third.headlines).toEqual(['grpo-vs-ppo 1/2: GRPO (finished before)', 'grpo-vs-ppo 2/2: PPO (finished before)'])
  expect(third.done!.answer).toBe(second.done!.answer)

  await expect(run({ steps: 4 })).rejects.toThrow(/config.resolved.yaml: expected the settings .* Use --fresh/)
  const fresh = await run({ steps: 1, fresh: true })
  expect(fresh.steps).toHaveLength(2)
})
