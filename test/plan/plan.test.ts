/** Plans against what real steps of the same run need. */
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Config, type ConfigInput, configSchema } from '../../src/config/schema.ts'
import { InputError } from '../../src/core/errors.ts'
import { generateShapes } from '../../src/data/shapes/index.ts'
import { parameterCount } from '../../src/models/index.ts'
import { openPlanSource, type Plan, planRun } from '../../src/plan/plan.ts'
import { findRemedies } from '../../src/plan/remedies.ts'
import { openSubject } from '../../src/plan/subject.ts'
import { train } from '../../src/trainer/train.ts'
import { fixture } from '../harness/fixtures.ts'
import { tinyVlInput, writeTinyVl } from '../trainer/tiny_vl.ts'
import { measure } from './planned.ts'

const PROMPTS = 6

let dir: string
beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'rft-plan-'))
  await writeTinyVl(dir)
  await generateShapes({ dir: join(dir, 'data'), seed: 4, train: PROMPTS, heldOut: 2 })
  const rows = Array.from({ length: PROMPTS }, (_, i) => ({ prompt: `${'so '.repeat(20 + 3 * i)} ${i}?`, answer: '1' }))
  writeFileSync(join(dir, 'text.jsonl'), rows.map((row) => `${JSON.stringify(row)}\n`).join(''))
})
afterAll(() => rmSync(dir, { recursive: true }))

/** Every row of the data is in every step, so that the planned step is the real one. */
function tiny(input: Partial<ConfigInput> = {}): Config {
  const base = tinyVlInput(dir, join(dir, 'run'))
  return configSchema.parse({
    ...base,
    data: { train: [join(dir, 'data', 'train.jsonl')] },
    ...input,
    rollout: { promptsPerStep: PROMPTS, groupSize: 4, maxNewTokens: 24, ...input.rollout },
    train: { ...base.train, tokensPerMicroBatch: 512, batchSize: PROMPTS, ...input.train },
  })
}

const text = () => ({
  model: { path: fixture('models/qwen2') },
  data: { train: [join(dir, 'text.jsonl')] },
})

const cases: [string, () => Config][] = [
  ['a text model', () => tiny(text())],
  ['images', () => tiny()],
  ['recompute', () => tiny({ model: { path: join(dir, 'model'), recompute: true } })],
  ['groups split over micro-batches', () => tiny({ train: { steps: 1, tokensPerMicroBatch: 100 } })],
  ['a frozen vision tower', () => tiny({ model: { path: join(dir, 'model'), freeze: ['vision'] } })],
  ['noised images', () => tiny({ methods: [{ name: 'noisy_rollout' }] })],
  ['a reference', () => tiny({ algorithm: { kl: { coef: 0.1 } } })],
  ['several updates', () => tiny({ algorithm: { miniBatches: 2, updatesPerRollout: 2 } })],
  ['8-bit moments and bf16 gradients', () => tiny({ optimizer: { state: '8bit', gradDtype: 'bf16' } })],
  ['a critic of its own', () => tiny({ algorithm: { trainer: 'ppo' } })],
  ['a critic of a text model', () => tiny({ ...text(), algorithm: { trainer: 'ppo' } })],
  ['a value head on the policy', () => tiny({ algorithm: { trainer: 'ppo', critic: { backbone: 'shared' } } })],
  ['the preset of PPO', () => tiny({ algorithm: { preset: 'ppo' } })],
  ['imitation', () => tiny({ algorithm: { trainer: 'sft' } })],
]

describe('the size of a checkpoint', () => {
  it.each(['f32', 'bf16'] as const)('is that of the files of a real one: %s', async (dtype) => {
    const config = tiny({
      run: { dir: join(dir, `saved-${dtype}`) },
      checkpoint: { dtype, keepLast: 3, keepBest: 'loss' },
    })
    const short = { ...config, train: { ...config.train, steps: 1 } }
    const { checkpoint } = await train(short)
    const files = readdirSync(checkpoint).filter((name) => name.endsWith('.safetensors'))
    const real = files.reduce((sum, name) => sum + statSync(join(checkpoint, name)).size, 0)
    const { checkpoint: planned } = await planRun(short)
    expect(apart(planned.each, real)).toBeLessThan(0.1) // headers weigh more in a tiny model
    expect(planned.most).toBe(planned.each * 5)
  })
})

const apart = (a: number, b: number) => Math.abs(a - b) / b

describe('a plan', () => {
  it.each(cases)('is within 5 % of the measured peak: %s', async (_name, build) => {
    const config = build()
    const plan = await planRun(config)
    const real = await measure(config)
    expect(plan.step.source).toBe('data')
    expect(plan.phases.map(([name]) => name)).toEqual([...real.phases.keys()])
    expect(apart(plan.peak.total, real.peak)).toBeLessThan(0.05)
    for (const [name, memory] of plan.phases) {
      const found = real.phases.get(name)!
      expect(apart(memory.total, found.total)).toBeLessThan(0.05)
      for (const part of ['weights', 'gradients', 'optimizer'] as const) expect(memory[part]).toBe(found[part])
    }
    expect(apart(plan.reserved, real.reserved)).toBeLessThan(0.05)
  })

  it('needs more for larger groups, longer completions and larger packs, less for recomputing and freezing', async () => {
    const of = async (input: Partial<ConfigInput>) => new Map((await planRun(tiny(input))).phases)
    const base = await of({})
    const larger = await of({ rollout: { groupSize: 8 } })
    expect(larger.get('rollout')!.kvCache).toBeGreaterThan(base.get('rollout')!.kvCache)
    const longer = await of({ rollout: { maxNewTokens: 200 } })
    expect(longer.get('rollout')!.kvCache).toBeGreaterThan(4 * base.get('rollout')!.kvCache)
    const wider = await of({ train: { steps: 1, tokensPerMicroBatch: 4096 } })
    expect(wider.get('update')!.activations).toBeGreaterThan(base.get('update')!.activations)
    const again = await of({ model: { path: join(dir, 'model'), recompute: true } })
    expect(again.get('update')!.total).toBeLessThan(base.get('update')!.total)
    const frozen = await of({ model: { path: join(dir, 'model'), freeze: ['vision'] } })
    expect(frozen.get('update')!.optimizer).toBeLessThan(base.get('update')!.optimizer)
    const both = await of({ model: { path: join(dir, 'model'), freeze: ['vision'], recompute: true } })
    expect(both.get('update')!.images).toBe(frozen.get('update')!.images) // no backward pass through a frozen tower
  })

  it('counts the states, gradients and weights of each number format', async () => {
    const of = async (optimizer: ConfigInput['optimizer'], dtype: 'f32' | 'bf16' = 'f32') => {
      const config = tiny({ device: 'cuda', model: { path: join(dir, 'model'), dtype }, optimizer })
      return new Map((await planRun(config)).phases).get('optimizer')!
    }
    const [f32, bf16, bits8] = [await of({}), await of({ state: 'bf16' }), await of({ state: '8bit' })]
    expect(f32.optimizer).toBe(2 * f32.weights)
    expect(apart(bf16.optimizer, f32.optimizer / 2)).toBeLessThan(0.01)
    expect(bits8.optimizer).toBeLessThan(0.6 * f32.optimizer) // a tiny model has many small parameters
    const half = await of({ gradDtype: 'bf16' }, 'bf16')
    expect(apart(half.weights, f32.weights / 2)).toBeLessThan(0.01)
    expect(apart(half.gradients, f32.gradients / 2)).toBeLessThan(0.01)
    expect(apart(half.optimizer, 1.5 * f32.optimizer)).toBeLessThan(0.01) // a copy of the weights
    const inPlace = await of({ stochasticRounding: true, state: 'bf16' }, 'bf16')
    expect(apart(inPlace.optimizer, f32.optimizer / 2)).toBeLessThan(0.01)
  })

  it('counts evaluation, and image features kept from other steps', async () => {
    const held = [join(dir, 'data', 'held_out.jsonl')]
    const data = { train: [join(dir, 'data', 'train.jsonl')], eval: held }
    const plan = await planRun(tiny({ data }))
    expect(plan.phases.map(([name]) => name)).toEqual(['rollout', 'update', 'optimizer', 'evaluation'])
    const frozen = await planRun(
      tiny({ data, rollout: { promptsPerStep: 2 }, model: { path: join(dir, 'model'), freeze: ['vision'] } }),
    )
    const [features, others] = [9 * 32 * 4, PROMPTS + 2 - 2] // 84 x 84 pixels: 9 merged patches, 32 wide
    expect(frozen.peak.imageCache).toBe(others * features)
  })

  it('is that of the worst stage where methods change the limits', async () => {
    const stages = ['8x2', '40x6', '16x3']
    const parameters = { stages }
    const train = { steps: 30 }
    const plan = await planRun(tiny({ train, methods: [{ name: 'progressive_length', parameters }] }))
    const alone = await Promise.all(
      stages.map((stage) => {
        const [maxNewTokens, groupSize] = stage.split('x').map(Number)
        return planRun(tiny({ train, rollout: { maxNewTokens, groupSize } }))
      }),
    )
    const totals = alone.map(({ peak }) => peak.total)
    expect(new Set(totals).size).toBe(3)
    expect(plan.peak.total).toBe(Math.max(...totals))
  })

  it('counts the workspace of cublasLt in the backward passes of a run on CUDA', async () => {
    const cublasLt = 32 * 2 ** 20
    const { phases } = await planRun(tiny({ device: 'cuda' }))
    const workspace = Object.fromEntries(phases.map(([name, memory]) => [name, memory.workspace]))
    expect(workspace.rollout).toBeLessThan(cublasLt)
    expect(workspace.update).toBeGreaterThanOrEqual(cublasLt)
    expect(workspace.optimizer).toBeGreaterThanOrEqual(cublasLt) // the vision tower's
  })

  it('takes sizes from the limits when there are no data', async () => {
    const plan = await planRun(
      tiny({ data: { train: ['nowhere.jsonl'], maxPromptTokens: 100, maxPixels: 28 * 28 * 50 } }),
    )
    expect(plan.step.source).toBe('limits')
    expect(plan.step.promptTokens).toEqual({ longest: 100, total: 600 })
    expect(plan.step.images).toEqual({ count: 6, pixels: (7 * 28) ** 2 })
  })

  it('names the row of a prompt that the run would refuse', async () => {
    const config = tiny({ data: { train: [join(dir, 'data', 'train.jsonl')], maxPromptTokens: 20 } })
    await expect(planRun(config)).rejects.toThrow(/train\.jsonl:\d+: expected a prompt of at most 20 tokens/)
  })
})

describe('remedies', () => {
  it('are planned, and lower the peak', async () => {
    const config = tiny({ algorithm: { kl: { coef: 0.1 } } })
    const source = await openPlanSource(config)
    const plan = await planRun(config)
    const { single, free, all } = await findRemedies(config, source, plan)
    expect(single.map(({ peak }) => peak)).toEqual(single.map(({ peak }) => peak).sort((a, b) => a - b))
    expect(single.map(({ change }) => change)).toEqual(
      expect.arrayContaining(['model.recompute=true', 'model.freeze=["vision"]', 'algorithm.kl.coef=0']),
    )
    const frozen = await planRun(
      tiny({ algorithm: { kl: { coef: 0.1 } }, model: { path: join(dir, 'model'), freeze: ['vision'] } }),
    )
    expect(single.find(({ change }) => change.startsWith('model.freeze'))!.peak).toBe(frozen.peak.total)
    expect(free!.peak).toBeLessThan(plan.peak.total)
    expect(all!.peak).toBeLessThan(Math.min(free!.peak, single[0]!.peak))
  })
})

describe('public models without weights', () => {
  const vision = {
    ...{ depth: 32, hidden_act: 'silu', hidden_size: 1280, intermediate_size: 3420, num_heads: 16, in_chans: 3 },
    ...{ patch_size: 14, spatial_merge_size: 2, spatial_patch_size: 14, temporal_patch_size: 2, window_size: 112 },
    ...{ fullatt_block_indexes: [7, 15, 23, 31], tokens_per_second: 2 },
  }
  const common = {
    ...{ model_type: 'qwen2_5_vl', hidden_act: 'silu', rms_norm_eps: 1e-6, rope_theta: 1e6, use_sliding_window: false },
    ...{ image_token_id: 151655, video_token_id: 151656, vision_start_token_id: 151652, vision_end_token_id: 151653 },
    rope_scaling: { type: 'mrope', mrope_section: [16, 24, 24] },
  }
  const models: Record<string, [object, number]> = {
    '3B': [
      {
        ...common,
        ...{ hidden_size: 2048, num_hidden_layers: 36, num_attention_heads: 16, num_key_value_heads: 2 },
        ...{ intermediate_size: 11008, vocab_size: 151936, tie_word_embeddings: true },
        vision_config: { ...vision, out_hidden_size: 2048 },
      },
      3_754_622_976,
    ],
    '7B': [
      {
        ...common,
        ...{ hidden_size: 3584, num_hidden_layers: 28, num_attention_heads: 28, num_key_value_heads: 4 },
        ...{ intermediate_size: 18944, vocab_size: 152064, tie_word_embeddings: false },
        vision_config: { ...vision, out_hidden_size: 3584 },
      },
      8_292_166_656,
    ],
  }

  it.each(Object.entries(models))('Qwen2.5-VL-%s', async (name, [json, parameters]) => {
    const folder = join(dir, name)
    mkdirSync(folder)
    writeFileSync(join(folder, 'config.json'), JSON.stringify(json))
    const { config, model } = await openSubject(folder, ['rollout.maxNewTokens=512', 'train.tokensPerMicroBatch=16384'])
    expect(parameterCount(model.spec)).toBe(parameters)
    const prompt = { tokens: 3000, images: [{ width: 1280, height: 960 }] }
    const begin = performance.now()
    const plan: Plan = await planRun(config, { model, prompt })
    expect(performance.now() - begin).toBeLessThan(20_000)
    const padding = 64 * 16 // tensors begin on cache lines, and 64 biases of 3420 values end 16 bytes before one
    for (const [, memory] of plan.phases) {
      expect(memory.weights).toBe(parameters * 4 + padding)
      expect(memory.gradients).toBe(parameters * 4 + padding)
      expect(memory.optimizer).toBe(parameters * 8 + 2 * padding)
    }
    expect(plan.reserved - plan.peak.total).toBeLessThanOrEqual(64 * 2 ** 20) // what the pool may keep beyond its peak
    // keys and values of 16 prompts and 16 x 8 completions
    const { layers, kvHeads, headDim } = model.spec.decoder
    const rows = 16 * 3000 + 16 * 8 * 512
    expect(apart(new Map(plan.phases).get('rollout')!.kvCache, 8 * layers * kvHeads * headDim * rows)).toBeLessThan(
      0.05,
    )
    expect(plan.step.images).toEqual({ count: 16, pixels: 1148 * 840 })
  })

  it.each(Object.entries(models))('Qwen2.5-VL-%s on CUDA', async (name, [json, parameters]) => {
    const file = join(dir, `cuda-${name}.json`)
    writeFileSync(file, JSON.stringify(json))
    const settings = ['device=cuda', 'model.freeze=["vision"]', 'model.recompute=true']
    const { config, model } = await openSubject(file, settings)
    const plan = await planRun(config, { model, prompt: { tokens: 3000, images: [{ width: 1280, height: 960 }] } })
    const update = new Map(plan.phases).get('update')!
    const { trained } = plan.model
    expect(plan.model).toMatchObject({ device: 'cuda', dtype: 'bf16' })
    const near = (bytes: number, wanted: number) => expect(apart(bytes, wanted)).toBeLessThan(1e-4)
    near(update.weights, 2 * parameters)
    near(update.gradients, 4 * trained)
    near(update.optimizer, 12 * trained) // moments, and the fp32 weights that are updated
  })

  it('a config.json by itself, and things that are none', async () => {
    const file = join(dir, 'other.json')
    writeFileSync(file, JSON.stringify(models['3B']![0]))
    expect((await openSubject(file)).model.spec.decoder.layers).toBe(36)
    await expect(openSubject(join(dir, 'none'))).rejects.toThrow(InputError)
    const { config, model } = await openSubject(file)
    const image = { width: 1280, height: 960 }
    await expect(planRun(config, { model, prompt: { tokens: 100, images: [image] } })).rejects.toThrow(
      'prompt: expected more than 1232 tokens, which its images take but received 100',
    )
  })
})
