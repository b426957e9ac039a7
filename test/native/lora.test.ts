/** Adapters against peft: logits, gradients, merged weights; and what they must not touch. */
import path from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openAdapter } from '../../src/checkpoint/adapter.ts'
import { openCheckpoint } from '../../src/checkpoint/hf_folder.ts'
import { adapterKey, moduleName } from '../../src/models/index.ts'
import { Model } from '../../src/native/model.ts'
import type { HeadRows, LoraSpec } from '../../src/native/types.ts'
import { freezeBase } from '../../src/trainer/open_model.ts'
import {
  floats,
  goldenCase,
  goldenPack,
  maxAbsDifference,
  models,
  relativeDifference,
} from '../harness/golden_models.ts'

const folder = path.join(import.meta.dirname, '..', 'fixtures', 'lora', 'adapter')
const expected = path.join(folder, 'expected.safetensors')
const layout = { text: 'model.language_model.', vision: 'model.visual.', head: 'lm_head.' }
const cases = ['a_text', 'b_image', 'c_two_images', 'd_image_multiturn', 'e_video', 'e2_video_slow']

/** The golden model with the golden adapter, or with `lora` in its place. */
async function load(lora?: LoraSpec): Promise<Model> {
  const base = await openCheckpoint(path.join(models, 'qwen2_5_vl'))
  const adapter = await openAdapter(folder, base)
  const model = await Model.create({ ...base.spec, lora: lora ?? adapter.spec })
  await model.initAdapters(1)
  await model.load([...base.sources, ...(lora ? [] : adapter.sources)])
  await freezeBase(model)
  return model
}

let model: Model
beforeAll(async () => {
  model = await load()
})
afterAll(() => model.dispose())

async function lastLogits(m: Model, name: string): Promise<Float32Array> {
  const pack = await goldenPack('qwen2_5_vl', name, 0)
  const T = pack.tokens.length
  const { logits } = await m.logits(
    pack,
    Int32Array.from({ length: 8 }, (_, i) => T - 8 + i),
  )
  return logits
}

async function completion(name: string, index: number): Promise<{ head: HeadRows; tokens: number }> {
  const golden = goldenCase('qwen2_5_vl', name)
  const { prompt_ids: prompt, completion_ids: ids } = golden.samples[index]!
  const rows = Int32Array.from(ids, (_, j) => prompt.length - 1 + j)
  return { head: { rows, targets: Int32Array.from(ids), temperature: 1 }, tokens: golden.completion_tokens }
}

test.each(cases)('%s: logits with the adapter', async (name) => {
  expect(
    maxAbsDifference(await lastLogits(model, name), await floats(expected, `${name}.s0.logits_last8`)),
  ).toBeLessThan(2e-4)
})

test('gradients of every adapter, with and without recomputation; nothing else has one', async () => {
  const name = 'c_two_images'
  for (const recompute of [false, true]) {
    await model.zeroGrad()
    for (const index of goldenCase('qwen2_5_vl', name).samples.keys()) {
      const { head, tokens } = await completion(name, index)
      const dlogp = new Float32Array(head.rows.length).fill(-1 / tokens)
      await model.forwardBackward(await goldenPack('qwen2_5_vl', name, index), head, { dlogp }, { recompute })
    }
    const trained = model.parameters().filter((p) => p.trainable)
    expect(trained).toHaveLength(42)
    for (const { name: ours } of trained) {
      const golden = await floats(expected, `grad:${adapterKey(ours, layout)}`)
      expect(relativeDifference(await model.readGradient(ours), golden), ours).toBeLessThan(1e-3)
    }
    await expect(model.readGradient('decoder.layers.0.q.weight')).rejects.toThrow(/gradient/)
  }
})

test('without adapters the model is the base, bit for bit', async () => {
  const base = await openCheckpoint(path.join(models, 'qwen2_5_vl'))
  using plain = await Model.create(base.spec)
  await plain.load(base.sources)
  const pack = await goldenPack('qwen2_5_vl', 'b_image', 0)
  const { head } = await completion('b_image', 0)
  const [off, on] = [await model.score(pack, head, { adapters: false }), await model.score(pack, head)]
  expect(off.logp).toEqual((await plain.score(pack, head)).logp)
  expect(maxAbsDifference(off.logp, on.logp)).toBeGreaterThan(0.1)
})

test('the sampler and the trainer agree bit for bit with adapters', async () => {
  const { prompt_ids: prompt } = goldenCase('qwen2_5_vl', 'a_text').samples[0]!
  const tokens = Int32Array.from(prompt)
  const positionIds = Int32Array.from({ length: 3 * prompt.length }, (_, i) => i % prompt.length)
  const request = { tokens, positionIds, vision: null, nextPosition: prompt.length, samples: 3, stream: 5 }
  const options = { maxNewTokens: 6, temperature: 1, topK: 0, topP: 1, minP: 0, seed: 2 }
  const none = new Int32Array(0)
  const sampled = await model.generate([request], { ...options, stopTokens: none, forbiddenTokens: none })
  for (const { tokens: own, logp } of sampled) {
    const all = Int32Array.from([...prompt, ...own])
    const T = all.length
    const positions = Int32Array.from({ length: 3 * T }, (_, i) => i % T)
    const pack = { tokens: all, positionIds: positions, segments: Int32Array.of(0, T, 0, 0, 0, T, 1), vision: null }
    const rows = Int32Array.from(own, (_, j) => prompt.length - 1 + j)
    expect((await model.score(pack, { rows, targets: own, temperature: 1 })).logp).toEqual(logp)
  }
})

test('merged weights equal peft and the logits stay', async () => {
  using merged = await load()
  await merged.mergeAdapters()
  for (const { linear } of merged.spec.lora!.targets) {
    const golden = await floats(
      path.join(folder, 'merged_target_weights.safetensors'),
      `${moduleName(linear, layout)}.weight`,
    )
    expect(maxAbsDifference(await merged.readParameter(`${linear}.weight`), golden), linear).toBeLessThan(1e-6)
  }
  const logits = await lastLogits(merged, 'b_image')
  expect(maxAbsDifference(logits, await floats(expected, 'b_image.s0.logits_last8'))).toBeLessThan(2e-4)
})

test('new adapters change nothing until they are trained', async () => {
  using fresh = await load({ targets: [{ linear: 'vision.blocks.0.qkv', rank: 2, scale: 1 }], dropout: 0 })
  const pack = await goldenPack('qwen2_5_vl', 'b_image', 0)
  const { head } = await completion('b_image', 0)
  const before = await fresh.score(pack, head)
  expect(before.logp).toEqual((await fresh.score(pack, head, { adapters: false })).logp)
  const b = await fresh.readParameter('vision.blocks.0.qkv.lora_b.weight')
  await fresh.writeParameter('vision.blocks.0.qkv.lora_b.weight', b.fill(0.1))
  // image features with and without the adapter are kept apart
  expect((await fresh.score(pack, head, { adapters: false })).logp).toEqual(before.logp)
  expect(maxAbsDifference((await fresh.score(pack, head)).logp, before.logp)).toBeGreaterThan(1e-3)
  expect((await fresh.score(pack, head, { adapters: false })).logp).toEqual(before.logp)
})

test('dropout follows from its stream, also in recomputed blocks', async () => {
  const targets = [{ linear: 'decoder.layers.1.down', rank: 3, scale: 1 }]
  using dropping = await load({ targets, dropout: 0.5 })
  const name = 'decoder.layers.1.down.lora_b.weight'
  await dropping.writeParameter(name, (await dropping.readParameter(name)).fill(0.2))
  const pack = await goldenPack('qwen2_5_vl', 'a_text', 0)
  const { head } = await completion('a_text', 0)
  const dlogp = new Float32Array(head.rows.length).fill(1)
  const pass = async (dropout: number, recompute: boolean) => {
    await dropping.zeroGrad()
    const { logp } = await dropping.forwardBackward(pack, head, { dlogp }, { dropout, recompute })
    return { logp, gradient: await dropping.readGradient(name) }
  }
  const first = await pass(9, false)
  expect(await pass(9, true)).toEqual(first)
  expect((await pass(10, false)).logp).not.toEqual(first.logp)
  expect((await pass(0, false)).logp).toEqual((await dropping.score(pack, head)).logp)
})

test('a target that is no linear of the model is refused', async () => {
  const { spec } = await openCheckpoint(path.join(models, 'qwen2_5_vl'))
  const lora = { targets: [{ linear: 'decoder.norm', rank: 2, scale: 1 }], dropout: 0 }
  await expect(Model.create({ ...spec, lora })).rejects.toThrow(
    'expected the name of a linear layer but received decoder.norm',
  )
})
