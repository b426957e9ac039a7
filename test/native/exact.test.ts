/**
 * Batch invariance, as a property: whatever else is in the batch, however it is packed, cached, split or threaded, a
 * token's log-prob has the same bits, for the sampler and for the trainer.
 */

import path from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openCheckpoint } from '../../src/checkpoint/hf_folder.ts'
import type { Prompt } from '../../src/core/types.ts'
import { native } from '../../src/native/binding.ts'
import { Model } from '../../src/native/model.ts'
import type { Generated, GenerateOptions, GenerateRequest } from '../../src/native/types.ts'
import { gather, packGroups } from '../../src/rollout/pack.ts'
import { goldenCase, goldenPack, models } from '../harness/golden_models.ts'
import { randomSource } from '../harness/random.ts'

let model: Model
let prompts: { prompt: Prompt; request: Omit<GenerateRequest, 'samples' | 'stream'> }[]

beforeAll(async () => {
  const checkpoint = await openCheckpoint(path.join(models, 'qwen2_5_vl'))
  model = await Model.create(checkpoint.spec)
  await model.load(checkpoint.sources)
  prompts = []
  for (const name of ['a_text', 'b_image', 'c_two_images', 'd_image_multiturn'])
    for (const i of goldenCase('qwen2_5_vl', name).samples.keys()) prompts.push(await goldenPrompt(name, i))
})
afterAll(() => {
  model.dispose()
  native().setThreads(0)
})

async function goldenPrompt(name: string, index: number) {
  const sample = goldenCase('qwen2_5_vl', name).samples[index]!
  const pack = await goldenPack('qwen2_5_vl', name, index)
  const [P, T] = [sample.prompt_ids.length, pack.tokens.length]
  const positionIds = new Int32Array(3 * P)
  for (let axis = 0; axis < 3; axis++) positionIds.set(pack.positionIds.subarray(axis * T, axis * T + P), axis * P)
  const nextPosition = sample.first_generated_position ?? P
  const grids = (sample.image_grid_thw ?? []) as [number, number, number][]
  let at = 0
  const images = grids.map((grid, i) => {
    const length = grid[0] * grid[1] * grid[2] * 1176
    at += length
    const size = { width: 14 * grid[2], height: 14 * grid[1] }
    const sizes = { original: size, resized: size }
    return { grid, sizes, key: `${sample.images![i]}`, patches: pack.vision!.patches.slice(at - length, at) }
  })
  const row = { id: `${name}:${index}`, messages: [], images: [], answer: null, target: null, columns: {} }
  const prompt = {
    row,
    tokens: pack.tokens.slice(0, P),
    positionIds,
    images,
    imageRows: pack.vision?.rows ?? new Int32Array(),
    nextPosition,
  }
  return { prompt, request: { tokens: prompt.tokens, positionIds, vision: pack.vision, nextPosition } }
}

const sampling: GenerateOptions = {
  maxNewTokens: 12,
  temperature: 1,
  topK: 0,
  topP: 1,
  minP: 0,
  seed: 7,
  stopTokens: Int32Array.of(1746, 3, 50, 77, 90, 120, 300, 301, 302, 303, 304, 305, 306, 307, 308, 309),
  forbiddenTokens: Int32Array.of(1756, 1757),
}

const bits = (x: Float32Array) => Array.from(new Uint32Array(x.buffer, x.byteOffset, x.length))

/** The prompt of a text, cut to its first tokens. */
function cut({ prompt, request }: (typeof prompts)[number], length: number): (typeof prompts)[number] {
  const tokens = prompt.tokens.slice(0, length)
  const P = prompt.tokens.length
  const positionIds = new Int32Array(3 * length)
  for (let axis = 0; axis < 3; axis++)
    positionIds.set(prompt.positionIds.subarray(axis * P, axis * P + length), axis * length)
  const shorter = { tokens, positionIds, nextPosition: length }
  return { prompt: { ...prompt, ...shorter }, request: { ...request, ...shorter } }
}

/** Re-scores completions with the trainer's forward; one array per completion. */
async function rescore(
  chosen: Prompt[],
  generated: Generated[],
  how: { tokenBudget: number; shared: boolean; temperature: number; train: 'no' | 'keep' | 'recompute' },
): Promise<Float32Array[]> {
  const groups = chosen.map((prompt, g) => ({
    prompt,
    completions: generated.filter((c) => c.request === g).map((c) => c.tokens),
  }))
  const out: Float32Array[] = []
  const offset = groups.map((_, g) => generated.findIndex((c) => c.request === g))
  for (const batch of packGroups(groups, { ...how, merge: 2 })) {
    const zero = new Float32Array(batch.head.rows.length)
    const { logp } =
      how.train === 'no'
        ? await model.score(batch.pack, batch.head)
        : await model.forwardBackward(batch.pack, batch.head, { dlogp: zero }, { recompute: how.train === 'recompute' })
    for (const c of batch.completions) out[offset[c.group]! + c.completion] = logp.slice(c.begin, c.begin + c.length)
  }
  return out
}

test.each([{ topP: 0.5 }, { topK: 3 }, { minP: 0.2 }])(
  'truncated sampling reports log-probs of the whole distribution, so ratios are 1: %j',
  async (truncation) => {
    const { prompt, request } = prompts[0]!
    const generated = await model.generate([{ ...request, samples: 16, stream: 0 }], { ...sampling, ...truncation })
    const how = { tokenBudget: 100_000, shared: true, temperature: 1, train: 'no' as const }
    const scored = await rescore([prompt], generated, how)
    const ratios = generated.flatMap(({ logp }, i) => Array.from(logp, (own, t) => Math.exp(scored[i]![t]! - own)))
    expect(ratios.length).toBeGreaterThan(50)
    expect(ratios.filter((ratio) => ratio !== 1)).toEqual([])
  },
)

test('sampler and trainer agree bit for bit: 1,000 random compositions', async () => {
  const random = randomSource(20)
  let compared = 0
  for (let round = 0; compared < 1000; round++) {
    native().setThreads(1 + random.int(2))
    const chosen = Array.from({ length: 1 + random.int(4) }, () => {
      const one = random.pick(prompts)
      return one.prompt.images.length > 0 ? one : cut(one, 1 + random.int(one.prompt.tokens.length))
    })
    const temperature = random.pick([0.7, 1, 1.3])
    const requests = chosen.map(({ request }, g) => ({
      ...request,
      samples: 1 + random.int(4),
      stream: round * 100 + g * 10,
    }))
    // Few slots or little memory for keys and values: prompts wait, and are admitted in other company.
    const admission = { maxSequences: random.pick([0, 1, 3]), kvBudget: random.pick([0, 100_000, 400_000]) }
    const generated = await model.generate(requests, { ...sampling, ...admission, temperature })
    native().setThreads(1 + random.int(2))
    const how = {
      tokenBudget: random.pick([90, 200, 100_000]),
      shared: random.int(2) === 0,
      temperature,
      train: random.pick(['no', 'keep', 'recompute'] as const),
    }
    const scored = await rescore(
      chosen.map(({ prompt }) => prompt),
      generated,
      how,
    )
    for (const [i, completion] of generated.entries())
      expect(bits(scored[i]!), `round ${round}: ${JSON.stringify({ ...how, ...admission })}`).toEqual(
        bits(completion.logp),
      )
    compared += generated.length
  }
})

test('a sample does not depend on the batch, the slots or the threads', async () => {
  const random = randomSource(21)
  const alone = new Map<number, Generated>()
  for (const p of prompts.keys()) {
    const [only] = await model.generate([{ ...prompts[p]!.request, samples: 1, stream: 500 + p }], sampling)
    alone.set(p, only!)
  }
  for (let round = 0; round < 40; round++) {
    native().setThreads(1 + random.int(2))
    const order = Array.from(prompts.keys()).filter(() => random.int(3) > 0)
    if (order.length === 0) continue
    if (random.int(2)) order.reverse()
    const requests = order.map((p) => ({ ...prompts[p]!.request, samples: 1, stream: 500 + p }))
    const generated = await model.generate(requests, { ...sampling, maxSequences: random.pick([0, 1, 2, 5]) })
    for (const [i, g] of generated.entries()) {
      const single = alone.get(order[i]!)!
      expect(Array.from(g.tokens)).toEqual(Array.from(single.tokens))
      expect(bits(g.logp)).toEqual(bits(single.logp))
      expect(bits(g.entropy)).toEqual(bits(single.entropy))
      expect(g.finish).toBe(single.finish)
    }
  }
})

test('gradients have the same bits with and without recompute, at 1 and 2 threads', async () => {
  const [a, b] = [prompts[0]!, prompts[4]!]
  const generated = await model.generate(
    [a, b].map(({ request }, i) => ({ ...request, samples: 4, stream: 900 + 10 * i })),
    sampling,
  )
  const groups = [a, b].map(({ prompt }, g) => ({
    prompt,
    completions: generated.filter((c) => c.request === g).map((c) => c.tokens),
  }))
  const [batch] = packGroups(groups, { tokenBudget: 1e6, temperature: 1, merge: 2 })
  const dlogp = gather(batch!, (c) => generated.filter((g) => g.request === c.group)[c.completion]!.logp)
  const gradients = async (threads: number, recompute: boolean) => {
    native().setThreads(threads)
    await model.zeroGrad()
    await model.forwardBackward(batch!.pack, batch!.head, { dlogp }, { recompute })
    const out: Record<string, number[]> = {}
    for (const { name } of model.parameters()) out[name] = bits(await model.readGradient(name))
    return out
  }
  const base = await gradients(1, false)
  for (const [threads, recompute] of [
    [2, false],
    [1, true],
    [2, true],
  ] as const)
    expect(await gradients(threads, recompute)).toEqual(base)
})

test('shared-prompt gradients equal naive packing to 1e-6', async () => {
  const chosen = [4, 5]
  const generated = await model.generate(
    chosen.map((p, i) => ({ ...prompts[p]!.request, samples: 5, stream: 950 + 10 * i })),
    sampling,
  )
  const gradients = async (shared: boolean, tokenBudget: number) => {
    const groups = chosen.map((p, g) => ({
      prompt: prompts[p]!.prompt,
      completions: generated.filter((c) => c.request === g).map((c) => c.tokens),
    }))
    await model.zeroGrad()
    let saved = 0
    for (const batch of packGroups(groups, { tokenBudget, temperature: 1, merge: 2, shared })) {
      const dlogp = gather(batch, (c) => generated.filter((g) => g.request === c.group)[c.completion]!.logp)
      await model.forwardBackward(batch.pack, batch.head, { dlogp })
      saved += batch.tokensSaved
    }
    const out = new Map<string, Float32Array>()
    for (const { name } of model.parameters()) out.set(name, await model.readGradient(name))
    return { out, saved }
  }
  const naive = await gradients(false, 1e6)
  for (const budget of [1e6, 130]) {
    const shared = await gradients(true, budget)
    if (budget === 1e6) expect(shared.saved).toBeGreaterThan(0)
    let [difference, norm] = [0, 0]
    for (const [name, golden] of naive.out)
      for (const [i, g] of golden.entries()) {
        difference += (shared.out.get(name)![i]! - g) ** 2
        norm += g ** 2
      }
    expect(Math.sqrt(difference / norm)).toBeLessThan(1e-6)
  }
})

test('the vision tower runs once per distinct image, with the same gradients', async () => {
  const chosen = [4, 5]
  const distinct = new Set(chosen.flatMap((p) => prompts[p]!.prompt.images.map((image) => image.key))).size
  const forget = async () =>
    model.writeParameter('decoder.norm.weight', await model.readParameter('decoder.norm.weight'))
  const step = async (keepVision: boolean, tokenBudget: number) => {
    await forget()
    await model.zeroGrad()
    const before = model.memory().imagesEncoded
    const requests = chosen.map((p, i) => ({ ...prompts[p]!.request, samples: 3, stream: 970 + 10 * i }))
    const generated = await model.generate(requests, { ...sampling, keepVision })
    const groups = chosen.map((p, g) => ({
      prompt: prompts[p]!.prompt,
      completions: generated.filter((c) => c.request === g).map((c) => c.tokens),
    }))
    for (const batch of packGroups(groups, { tokenBudget, temperature: 1, merge: 2 }))
      await model.forwardBackward(batch.pack, batch.head, { dlogp: new Float32Array(batch.head.rows.length).fill(0.1) })
    const gradient = await model.readGradient('vision.patch.weight')
    return { gradient, encoded: model.memory().imagesEncoded - before }
  }
  const once = await step(true, 130)
  const twice = await step(false, 130)
  expect(once.encoded).toBe(distinct)
  expect(twice.encoded).toBe(2 * distinct)
  expect(bits(once.gradient)).toEqual(bits(twice.gradient))
})

test('a memory budget for keys and values changes the order of work, not the results', async () => {
  const requests = prompts.map(({ request }, i) => ({ ...request, samples: 3, stream: 1100 + 10 * i }))
  const free = await model.generate(requests, sampling)
  const row = 2 * 3 * 2 * 16 * 4 // k and v, layers, kv heads, head size, bytes
  const budget = row * (110 + 2 * sampling.maxNewTokens)
  model.resetPeak()
  const tight = await model.generate(requests, { ...sampling, kvBudget: budget })
  expect(model.memory().kvCache).toBeLessThanOrEqual(budget * 1.1)
  expect(tight.map((g) => bits(g.logp))).toEqual(free.map((g) => bits(g.logp)))
})

test('an aborted generation rejects, or returns what it has', async () => {
  const requests = prompts.map(({ request }, i) => ({ ...request, samples: 4, stream: 1200 + 10 * i }))
  const long = { ...sampling, maxNewTokens: 2000, stopTokens: new Int32Array() }
  const abortSoon = () => {
    const controller = new AbortController()
    const onProgress = ({ tokens }: { tokens: number }) => tokens > 200 && controller.abort()
    return { signal: controller.signal, onProgress }
  }
  await expect(model.generate(requests, long, abortSoon())).rejects.toThrow(/abort/i)
  const partial = await model.generate(requests, { ...long, partial: true }, abortSoon())
  expect(partial.length).toBeGreaterThan(0)
  for (const g of partial) {
    expect(g.finish).toBe('aborted')
    expect(g.logp.length).toBe(g.tokens.length)
  }
  expect((await model.generate(requests.slice(0, 1), sampling)).length).toBe(4)
})
