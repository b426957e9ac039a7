import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openCheckpoint } from '../../src/checkpoint/hf_folder.ts'
import { readSafetensors } from '../../src/checkpoint/safetensors.ts'
import { checkpointKey } from '../../src/models/index.ts'
import { Model } from '../../src/native/model.ts'
import type { GenerateRequest, HeadRows, Pack } from '../../src/native/types.ts'
import {
  floats,
  type GoldenSample,
  goldenCase,
  goldenPack,
  maxAbsDifference,
  models,
  relativeDifference,
} from '../harness/golden_models.ts'

const cases: Record<string, string[]> = {
  qwen2: ['a_text'],
  qwen2_5_vl: ['a_text', 'b_image', 'c_two_images', 'd_image_multiturn', 'e_video', 'e2_video_slow'],
}
const moduleLayout = { text: 'model.language_model.', vision: 'model.visual.', head: 'lm_head.' }
const textLayout = { text: 'model.', vision: '', head: 'lm_head.' }

async function load(folder: string): Promise<Model> {
  const checkpoint = await openCheckpoint(path.join(models, folder))
  const model = await Model.create(checkpoint.spec)
  await model.load(checkpoint.sources)
  return model
}

/** The folder with its tensors under the new keys: the same bytes behind another header. */
async function loadRenamed(folder: string): Promise<Model> {
  const dir = mkdtempSync(path.join(tmpdir(), 'rft-newkeys-'))
  cpSync(path.join(models, folder), dir, { recursive: true })
  const file = path.join(dir, 'model.safetensors')
  const bytes = readFileSync(file)
  const length = Number(bytes.readBigUInt64LE(0))
  const entries = Object.entries(JSON.parse(bytes.toString('utf8', 8, 8 + length)) as Record<string, unknown>)
  const renamed = entries.map(([key, value]) => [
    key.replace(/^visual\./, 'model.visual.').replace(/^model\.(embed_tokens|layers|norm)/, 'model.language_model.$1'),
    value,
  ])
  const header = Buffer.from(JSON.stringify(Object.fromEntries(renamed)))
  const size = Buffer.alloc(8)
  size.writeBigUInt64LE(BigInt(header.length))
  writeFileSync(file, Buffer.concat([size, header, bytes.subarray(8 + length)]))
  const checkpoint = await openCheckpoint(dir)
  const model = await Model.create(checkpoint.spec)
  await model.load(checkpoint.sources)
  rmSync(dir, { recursive: true })
  return model
}

function completionHead(sample: GoldenSample, temperature: number): HeadRows {
  const P = sample.prompt_ids.length
  return {
    rows: Int32Array.from(sample.completion_ids, (_, j) => P - 1 + j),
    targets: Int32Array.from(sample.completion_ids),
    temperature,
  }
}

for (const [folder, names] of Object.entries(cases)) {
  describe(folder, () => {
    let model: Model
    const vectors = (name: string) => path.join(models, folder, 'vectors', `${name}.safetensors`)
    const layout = folder === 'qwen2' ? textLayout : moduleLayout
    beforeAll(async () => {
      model = await load(folder)
    })
    afterAll(() => model.dispose())

    for (const name of names) {
      const golden = goldenCase(folder, name)

      test(`${name}: logits, log-probs, entropies`, async () => {
        const stored = (await readSafetensors(vectors(name))).tensors
        for (const [i, sample] of golden.samples.entries()) {
          const pack = await goldenPack(folder, name, i)
          const last = await floats(vectors(name), `s${i}.logits_last`)
          const V = model.spec.decoder.vocab
          const n = last.length / V
          const T = pack.tokens.length
          const { logits } = await model.logits(
            pack,
            Int32Array.from({ length: n }, (_, j) => T - n + j),
          )
          expect(maxAbsDifference(logits, last)).toBeLessThan(2e-4)
          if (stored.has(`s${i}.logits_first`)) {
            const rows = Int32Array.from({ length: 32 }, (_, j) => j)
            const first = await model.logits(pack, rows)
            expect(maxAbsDifference(first.logits, await floats(vectors(name), `s${i}.logits_first`))).toBeLessThan(2e-4)
          }
          for (const t of ['1.0', '0.7']) {
            const out = await model.score(pack, completionHead(sample, Number(t)))
            expect(maxAbsDifference(out.logp, await floats(vectors(name), `s${i}.logprobs_t${t}`))).toBeLessThan(2e-4)
            expect(maxAbsDifference(out.entropy, await floats(vectors(name), `s${i}.entropy_t${t}`))).toBeLessThan(5e-4)
          }
        }
      })

      test(`${name}: loss and every parameter's gradient`, async () => {
        for (const recompute of [false, true]) {
          await model.zeroGrad()
          let loss = 0
          for (const [i, sample] of golden.samples.entries()) {
            const head = completionHead(sample, 1)
            const dlogp = new Float32Array(head.rows.length).fill(-1 / golden.completion_tokens)
            const out = await model.forwardBackward(await goldenPack(folder, name, i), head, { dlogp }, { recompute })
            for (const logp of out.logp) loss -= logp / golden.completion_tokens
          }
          expect(Math.abs(loss - golden.loss_mean_nll)).toBeLessThan(1e-4)
          await checkGradients(name, golden.grads_stored_in_full)
        }
      })

      test(`${name}: greedy decoding`, async () => {
        for (const [i, sample] of golden.samples.entries()) {
          if (!sample.greedy) continue
          const pack = await goldenPack(folder, name, i)
          const out = await model.generate([promptRequest(pack, sample)], {
            ...greedy,
            maxNewTokens: sample.greedy.ids.length,
          })
          expect(Array.from(out[0]!.tokens)).toEqual(sample.greedy.ids)
        }
      })
    }

    async function checkGradients(name: string, inFull: boolean) {
      const stats = JSON.parse(readFileSync(path.join(models, folder, 'vectors', 'grad_stats.json'), 'utf8'))[name]
      for (const { name: ours } of model.parameters()) {
        const key = checkpointKey(ours, layout)
        const gradient = await model.readGradient(ours)
        const norm = Math.sqrt(gradient.reduce((sum, g) => sum + g * g, 0))
        expect(Math.abs(norm - stats[key].norm), `${name} norm of ${key}`).toBeLessThanOrEqual(
          1e-3 * stats[key].norm + 1e-9,
        )
        if (!inFull || stats[key].norm < 1e-6) continue
        const golden = await floats(vectors('grads'), key)
        expect(relativeDifference(gradient, golden), `${name} gradient of ${key}`).toBeLessThan(1e-3)
      }
    }

    test('hidden states', async () => {
      const name = folder === 'qwen2' ? 'a_text' : 'c_two_images'
      const pack = await goldenPack(folder, name, 0)
      const { hidden } = await model.logits(pack, Int32Array.of(0), { trace: true })
      const stored = await readSafetensors(vectors('hidden'))
      for (const key of stored.tensors.keys()) {
        const ours = hiddenName(key)
        if (!ours) continue
        expect(relativeDifference(hidden[ours]!, await floats(stored.file, key)), key).toBeLessThan(1e-4)
      }
    })
  })
}

test('the original position rule after a slow video', async () => {
  const model = await load('qwen2_5_vl')
  const name = 'e2_video_slow'
  const file = path.join(models, 'qwen2_5_vl', 'vectors', `${name}.original.safetensors`)
  const sample = goldenCase('qwen2_5_vl', name).samples[0]!
  const pack = await goldenPack('qwen2_5_vl', name, 0, `${name}.original`)
  const out = await model.score(pack, completionHead(sample, 1))
  expect(maxAbsDifference(out.logp, await floats(file, 's0.logprobs_t1.0'))).toBeLessThan(2e-4)
  model.dispose()
})

test('bf16 weights', async () => {
  const bf16 = await load('qwen2__bf16')
  const sample = goldenCase('qwen2', 'a_text').samples[0]!
  const T = sample.prompt_ids.length + sample.completion_ids.length
  const pack = await goldenPack('qwen2', 'a_text', 0)
  const stored = await readSafetensors(path.join(models, 'qwen2__bf16', 'vectors', 'a_text.safetensors'))
  const golden = await floats(stored.file, 's0.logits_last')
  const n = golden.length / bf16.spec.decoder.vocab
  const { logits } = await bf16.logits(
    pack,
    Int32Array.from({ length: n }, (_, j) => T - n + j),
  )
  expect(maxAbsDifference(logits, golden)).toBeLessThan(2e-4)
  bf16.dispose()
})

test('the new key layout loads the same model', async () => {
  const [old, renamed] = [await load('qwen2_5_vl'), await loadRenamed('qwen2_5_vl')]
  for (const { name } of old.parameters())
    expect(await renamed.readParameter(name)).toEqual(await old.readParameter(name))
  old.dispose()
  renamed.dispose()
})

const greedy = {
  temperature: 0,
  topK: 0,
  topP: 1,
  minP: 0,
  seed: 0,
  stopTokens: new Int32Array(),
  forbiddenTokens: new Int32Array(),
}

function promptRequest(pack: Pack, sample: GoldenSample): GenerateRequest {
  const T = pack.tokens.length
  const P = sample.prompt_ids.length
  const positionIds = new Int32Array(3 * P)
  for (let axis = 0; axis < 3; axis++) positionIds.set(pack.positionIds.subarray(axis * T, axis * T + P), axis * P)
  return {
    tokens: pack.tokens.slice(0, P),
    positionIds,
    vision: pack.vision,
    nextPosition: sample.first_generated_position ?? P,
    samples: 1,
    stream: 0,
  }
}

/** Golden names -> ours. The golden patch embedding is in the original patch order, ours in window order: covered by the first block. */
function hiddenName(key: string): string | null {
  if (key === 'lm.embeddings') return 'decoder.embed'
  if (key === 'lm.final_norm') return 'decoder.norm'
  if (key === 'vision.merger_raw') return 'vision.merger'
  const layer = /^lm\.layer_out\.(\d+)$/.exec(key)
  if (layer) return `decoder.layers.${layer[1]}`
  const block = /^vision\.block_out\.(\d+)$/.exec(key)
  return block ? `vision.blocks.${block[1]}` : null
}
