/**
 * Rollouts with weights rounded to bf16: the bits of a model whose matrices are so rounded, whatever the batch, and
 * another policy than the trainer's.
 */
import path from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openCheckpoint } from '../../src/checkpoint/hf_folder.ts'
import { native } from '../../src/native/binding.ts'
import { Model } from '../../src/native/model.ts'
import type { GenerateOptions, RolloutWeights } from '../../src/native/types.ts'
import { models } from '../harness/golden_models.ts'

let model: Model
let rounded: Model

beforeAll(async () => {
  const { spec } = await openCheckpoint(path.join(models, 'qwen2_5_vl'))
  // A head of its own, so that rounding it leaves the embedding as it is.
  const untied = { ...spec, decoder: { ...spec.decoder, tiedHead: false } }
  model = await Model.create(untied)
  await model.initRandom(3)
  rounded = await Model.create(untied)
  await rounded.copyFrom(model)
  for (const { name } of model.parameters())
    if (/^decoder\.(layers\.\d+\.(q|k|v|o|gate|up|down)|head)\.weight$/.test(name))
      await rounded.writeParameter(name, toBf16(await model.readParameter(name)))
})
afterAll(() => {
  model.dispose()
  rounded.dispose()
  native().setThreads(0)
})

/** Round to nearest, ties to even. */
function toBf16(values: Float32Array): Float32Array {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length)
  return new Float32Array(bits.map((b) => (b + 0x7fff + ((b >>> 16) & 1)) & 0xffff0000).buffer)
}

const bits = (x: Float32Array) => Array.from(new Uint32Array(x.buffer, x.byteOffset, x.length))

function requests(lengths: readonly number[]) {
  return lengths.map((length, i) => ({
    tokens: Int32Array.from({ length }, (_, t) => (t * 31 + length) % 1000),
    positionIds: Int32Array.from({ length: 3 * length }, (_, t) => t % length),
    vision: null,
    nextPosition: length,
    samples: 1 + (i % 3),
    stream: 100 * length,
  }))
}

const options: GenerateOptions = {
  ...{ maxNewTokens: 9, temperature: 1, topK: 0, topP: 1, minP: 0, seed: 5 },
  ...{ stopTokens: new Int32Array(), forbiddenTokens: new Int32Array() },
}

async function drawn(from: Model, weights: RolloutWeights, lengths: readonly number[]) {
  const out = await from.generate(requests(lengths), { ...options, weights })
  return out.map(({ tokens, logp, entropy }) => ({ tokens: [...tokens], logp: bits(logp), entropy: bits(entropy) }))
}

test('bf16 rollouts have the bits of a model with rounded matrices', async () => {
  for (const threads of [1, 2]) {
    native().setThreads(threads)
    const lengths = [3, 40, 17, 8, 25]
    const bf16 = await drawn(model, 'bf16', lengths)
    expect(bf16).toEqual(await drawn(rounded, 'fp32', lengths))
    expect(bf16.map((g) => g.logp)).not.toEqual((await drawn(model, 'fp32', lengths)).map((g) => g.logp))
  }
})

test('a bf16 sample does not depend on its batch', async () => {
  const together = await drawn(model, 'bf16', [3, 40, 17, 8])
  const alone = await drawn(model, 'bf16', [40])
  expect(together[1]).toEqual(alone[0])
})

test('another name is refused', async () => {
  const wrong = { ...options, weights: 'fp8' as RolloutWeights }
  await expect((async () => model.generate(requests([3]), wrong))()).rejects.toThrow(
    'options.weights: expected fp32 or bf16 but received fp8',
  )
})
