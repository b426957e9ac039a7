/** A tiny random Qwen2.5-VL with a few shapes rows: real runs that take seconds. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { planSave } from '../../src/checkpoint/hf_folder.ts'
import { type ConfigInput, configSchema } from '../../src/config/schema.ts'
import { generateShapes, shapesSentences } from '../../src/data/shapes/index.ts'
import { Model } from '../../src/native/model.ts'
import { createModelFolder } from '../../src/quickstart/model_folder.ts'

/** Writes `model/` and `data/` into `dir`. */
export async function writeTinyVl(dir: string): Promise<void> {
  mkdirSync(dir, { recursive: true })
  const source = await createModelFolder(join(dir, 'model'), {
    model: {
      ...{ vocab: 320, hidden: 32, layers: 2, heads: 2, kvHeads: 1, ffn: 48 },
      vision: { hidden: 32, layers: 2, heads: 2, ffn: 48, window: 56, fullBlocks: [1] },
    },
    sentences: shapesSentences(),
  })
  const model = await Model.create(source.spec)
  await model.initRandom(5)
  const plan = planSave(source, 'F32')
  await model.save(join(dir, 'model', 'model.safetensors'), plan.header, plan.sinks)
  model.dispose()
  await generateShapes({ dir: join(dir, 'data'), seed: 3, train: 12, heldOut: 6 })
}

/** What a run on that folder needs; `runDir` is where it goes. */
export const tinyVlInput = (dir: string, runDir: string, input: Partial<ConfigInput> = {}): ConfigInput => ({
  run: { dir: runDir },
  model: { path: join(dir, 'model') },
  data: { train: [join(dir, 'data', 'train.jsonl')], eval: [join(dir, 'data', 'held_out.jsonl')] },
  rollout: { promptsPerStep: 3, groupSize: 4, maxNewTokens: 10 },
  rewards: [{ name: 'format' }, { name: 'accuracy' }],
  optimizer: { lr: 1e-3 },
  report: { samples: 2 },
  ...input,
  train: { steps: 6, tokensPerMicroBatch: 256, ...input.train },
})

export const tinyVlConfig = (dir: string, runDir: string, input: Partial<ConfigInput> = {}) =>
  configSchema.parse(tinyVlInput(dir, runDir, input))
