/** Every method in training on a tiny vision-language model, and what each stage does to a step. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { ConfigInput } from '../../src/config/schema.ts'
import { type MethodName, methods } from '../../src/methods/index.ts'
import { readMetrics } from '../../src/metrics/jsonl.ts'
import { train } from '../../src/trainer/train.ts'
import { temporaryFolder } from './runs.ts'
import { tinyVlConfig, writeTinyVl } from './tiny_vl.ts'

const folder = temporaryFolder()
beforeAll(async () => {
  await writeTinyVl(folder.dir)
  writeFileSync(
    join(folder.dir, 'vowels.mjs'),
    "export default { name: 'accuracy', score: ({ completion }) => (completion.split(/[aeiou]/).length % 3) / 2 }",
  )
})
afterAll(() => folder.remove())

const runDir = (name: string) => join(folder.dir, `run-${name}`)
const config = (
  name: string,
  method: MethodName,
  parameters: Record<string, unknown>,
  input: Partial<ConfigInput> = {},
) =>
  tinyVlConfig(folder.dir, runDir(name), {
    methods: [{ name: method, parameters }],
    rewards: [{ file: join(folder.dir, 'vowels.mjs') }],
    eval: { atEnd: false },
    ...input,
    train: { steps: 3, ...input.train },
  })
const records = (name: string) => readMetrics(runDir(name)).filter(({ loss }) => loss !== undefined)

/** Settings under which a method has something to do in three tiny steps. */
const settings: Record<MethodName, Record<string, unknown>> = {
  noisy_rollout: { noiseStep: 300 },
  image_augmentation: { kind: 'blur', strength: 0.1 },
  sample_replay: { capacity: 16 },
  replay_buffer: { capacity: 16 },
  forced_rethinking: { share: 1, room: 2, shortest: 0, waits: 100 },
  fast_slow: {},
  temporal_contrast: {},
  accuracy_filter: { low: 0, high: 0.9 },
  curriculum_stages: { column: 'kind', stages: ['count+compare', 'attribute+arithmetic'] },
  progressive_length: { stages: ['4x2', '8x4'] },
  difficulty_sampling: {},
}

test('every method of the table is here', () =>
  expect(Object.keys(settings).sort()).toEqual(Object.keys(methods).sort()))

describe.each(Object.keys(settings) as MethodName[])('%s', (name) => {
  test('trains: finite losses and updates', async () => {
    await train(config(name, name, settings[name]))
    const steps = records(name)
    expect(steps).toHaveLength(3)
    for (const step of steps) expect([Number.isFinite(step.loss), Number.isFinite(step.reward)]).toEqual([true, true])
    expect(steps.some(({ grad_norm }) => grad_norm! > 0)).toBe(true)
  })
})

test('noisy completions share the group of the clean ones, and the ratio is that of the clean image', () => {
  for (const step of records('noisy_rollout')) {
    expect([step['variants/clean/reward'] !== undefined, step['variants/noisy/reward'] !== undefined]).toEqual([
      true,
      true,
    ])
    expect(step['clip_ratio/region_mean']).toBe(0)
  }
})

test('continuations that ended right are imitated: the gradient differs, what was sampled does not', async () => {
  const first = async (name: string, imitation: number) => {
    const parameters = { ...settings.forced_rethinking, imitation }
    // Long enough that some completions end by themselves and leave room for a trigger.
    const rollout = { promptsPerStep: 6, groupSize: 8, maxNewTokens: 64 }
    await train(config(name, 'forced_rethinking', parameters, { rollout, train: { steps: 1 } }))
    return records(name)[0]!
  }
  const [without, small, large] = [
    await first('none-imitated', 0),
    await first('little', 0.05),
    await first('much', 0.5),
  ]
  expect([small.reward, small['completions/mean_length']]).toEqual([without.reward, without['completions/mean_length']])
  expect(new Set([without.grad_norm, small.grad_norm, large.grad_norm]).size).toBe(3)
  expect([small.grad_norm! > 0, Number.isFinite(large.loss)]).toEqual([true, true])
})

test('what is replayed was sampled before, and a resumed run replays the same', async () => {
  const replayed = (name: string) => records(name).map((step) => [step['replay/replayed'], step.loss, step.grad_norm])
  const settings = { capacity: 16, alpha: 1 }
  const few = { rollout: { promptsPerStep: 2, groupSize: 3, maxNewTokens: 6 }, checkpoint: { every: 1 } }
  await train(config('whole', 'sample_replay', settings, { ...few, train: { steps: 6 } }))
  await train(config('parts', 'sample_replay', settings, { ...few, train: { steps: 4 } }))
  await train(config('parts', 'sample_replay', settings, { ...few, train: { steps: 6 } }), { resume: true })
  expect(replayed('parts')).toEqual(replayed('whole'))
  const counts = replayed('whole').map(([count]) => count!)
  expect([counts[0], counts.some((count) => count > 0)]).toEqual([0, true])
})

test('a curriculum that accepts no row ends with the reason', async () => {
  const run = train(config('none', 'curriculum_stages', { column: 'kind', stages: ['opera'] }))
  await expect(run).rejects.toThrow(/methods: expected a curriculum that accepts some of the training rows/)
})

test('limits of a stage bound its completions', () => {
  const longest = records('progressive_length').map((step) => step['completions/max_length']!)
  expect([longest[0]! <= 4, longest[2]! <= 8]).toEqual([true, true])
})
