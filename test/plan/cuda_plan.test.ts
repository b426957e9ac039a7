/** Plans for CUDA against what real steps take there: the trainer on the emulated device (native/simt). */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Config, type ConfigInput, configSchema } from '../../src/config/schema.ts'
import { generateShapes } from '../../src/data/shapes/index.ts'
import { native } from '../../src/native/binding.ts'
import { planRun } from '../../src/plan/plan.ts'
import { train } from '../../src/trainer/train.ts'
import { tinyVlInput, writeTinyVl } from '../trainer/tiny_vl.ts'
import { measure } from './planned.ts'

const emulated = fileURLToPath(new URL('../../build/emulated', import.meta.url))
if (existsSync(emulated)) process.env.RFT_PREBUILD = emulated

const PROMPTS = 2
const apart = (a: number, b: number) => Math.abs(a - b) / b

let dir: string
beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'rft-cuda-plan-'))
  await writeTinyVl(dir)
  await generateShapes({ dir: join(dir, 'data'), seed: 4, train: PROMPTS, heldOut: 2 })
})
afterAll(() => rmSync(dir, { recursive: true }))

function tiny(input: Partial<ConfigInput> = {}): Config {
  const base = tinyVlInput(dir, join(dir, 'run'))
  return configSchema.parse({
    ...base,
    device: 'cuda',
    data: { train: [join(dir, 'data', 'train.jsonl')] },
    ...input,
    model: { path: join(dir, 'model'), ...input.model },
    rollout: { promptsPerStep: PROMPTS, groupSize: 3, maxNewTokens: 4, ...input.rollout },
    train: { ...base.train, tokensPerMicroBatch: 512, batchSize: PROMPTS, ...input.train },
  })
}

const folder = () => ({ path: join(dir, 'model') })
const ppo = (backbone: 'own' | 'shared') => ({ trainer: 'ppo' as const, critic: { backbone } })
const cases: [string, () => Config][] = [
  ['GRPO', () => tiny()],
  ['many completions', () => tiny({ rollout: { groupSize: 24, maxNewTokens: 2 } })],
  ['recompute', () => tiny({ model: { ...folder(), recompute: true } })],
  ['a reference', () => tiny({ algorithm: { kl: { coef: 0.1 } } })],
  [
    'an offloaded reference and optimizer state',
    () =>
      tiny({ algorithm: { kl: { coef: 0.1 } }, train: { steps: 1, offload: { reference: true, optimizer: true } } }),
  ],
  ['adapters', () => tiny({ lora: { rank: 4 }, algorithm: { kl: { coef: 0.1 } } })],
  ['adapters and recompute', () => tiny({ lora: { rank: 4, vision: true }, model: { ...folder(), recompute: true } })],
  ['PPO with a critic of its own', () => tiny({ algorithm: ppo('own') })],
  ['PPO with a value head on the policy', () => tiny({ algorithm: ppo('shared') })],
  ['8-bit moments and bf16 gradients', () => tiny({ optimizer: { state: '8bit', gradDtype: 'bf16' } })],
  ['weights rounded in place', () => tiny({ optimizer: { state: 'bf16', stochasticRounding: true } })],
  ['fp32', () => tiny({ model: { ...folder(), dtype: 'f32' } })],
]

/** The emulator is built by g++ on Linux. */
describe.skipIf(process.platform !== 'linux')('a plan for CUDA', () => {
  it('is compared with the emulated device, which is built', () => {
    expect(native().info().cuda.devices[0]?.name).toBe('emulator')
  })

  it.each(cases)('is within 1 %% of what the pools measure: %s', async (_name, build) => {
    const config = build()
    const plan = await planRun(config)
    const real = await measure(config)
    expect(plan.model).toMatchObject({ device: 'cuda', dtype: config.model.dtype === 'f32' ? 'f32' : 'bf16' })
    expect(plan.phases.map(([name]) => name)).toEqual([...real.phases.keys()])
    for (const [name, memory] of plan.phases) {
      expect(apart(memory.total, real.phases.get(name)!.total), name).toBeLessThan(0.01)
      expect(memory.workspace, name).toBe(real.phases.get(name)!.workspace)
    }
    expect(apart(plan.reserved, real.reserved)).toBeLessThan(0.01)
    expect(plan.offloaded).toBe(real.offloaded)
  })

  it('is smaller by the weights of an offloaded reference outside of scoring', async () => {
    const algorithm = { kl: { coef: 0.1 } }
    const [plain, offloaded] = [
      await planRun(tiny({ algorithm })),
      await planRun(tiny({ algorithm, train: { steps: 1, offload: { reference: true } } })),
    ]
    const weights = plain.phases[0]![1].reference
    expect(offloaded.offloaded).toBe(weights)
    for (const [i, [name, { total }]] of plain.phases.entries())
      expect([name, total - offloaded.phases[i]![1].total]).toEqual([name, name === 'score' ? 0 : weights])
  })

  it('is smaller by an offloaded optimizer state, but for the pieces that visit the device', async () => {
    const [plain, offloaded] = [
      await planRun(tiny()),
      await planRun(tiny({ train: { steps: 1, offload: { optimizer: true } } })),
    ]
    const state = plain.phases[0]![1].optimizer
    expect(state).toBeGreaterThan(0)
    expect(offloaded.offloaded).toBe(state)
    for (const [i, [name, memory]] of offloaded.phases.entries()) {
      expect([name, memory.optimizer]).toEqual([name, 0])
      const saved = plain.phases[i]![1].total - memory.total
      if (name !== 'optimizer') expect([name, saved]).toEqual([name, state])
      else expect(saved).toBeGreaterThan(0)
    }
  })
})

describe.skipIf(process.platform !== 'linux')('a run in bf16 on CUDA', () => {
  const settings: [string, ConfigInput['optimizer']][] = [
    ['fp32 copies of the weights', { lr: 1e-3 }],
    [
      '8-bit moments, weights rounded in place',
      { lr: 1e-3, state: '8bit', gradDtype: 'bf16', stochasticRounding: true },
    ],
  ]

  it.each(settings)('resumes bit for bit: %s', async (name, optimizer) => {
    const config = (part: string, steps: number) =>
      tiny({
        ...{ run: { dir: join(dir, `${part} ${name}`) }, algorithm: { trainer: 'sft' as const }, optimizer },
        ...{ checkpoint: { dtype: 'bf16' as const }, train: { steps }, report: { samples: 0 } },
      })
    const whole = await train(config('whole', 4))
    await train(config('parts', 2))
    const parts = await train(config('parts', 4), { resume: true })
    const files = readdirSync(whole.checkpoint).filter((file) => file.endsWith('.safetensors'))
    expect(files.sort()).toEqual(['model.safetensors', 'optimizer.safetensors'])
    for (const file of files) {
      const [a, b] = [whole, parts].map(({ checkpoint }) => readFileSync(join(checkpoint, file)))
      expect(a!.equals(b!), file).toBe(true)
    }
  })
})
