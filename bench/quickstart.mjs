// What `generate` and `step` work on: the quickstart's model with random weights, and its data. Made once, in
// build/bench; peers read the same folder. RFT_BENCH_MODEL names another model folder, such as a trained quickstart's.
import { existsSync } from 'node:fs'
import path from 'node:path'
import { planSave } from '../dist/checkpoint/hf_folder.js'
import { loadRows } from '../dist/data/index.js'
import { generateShapes, shapesSentences } from '../dist/data/shapes/index.js'
import { Model } from '../dist/native/model.js'
import { createModelFolder } from '../dist/quickstart/model_folder.js'
import { modelSizes } from '../dist/quickstart/settings.js'
import { openModel } from '../dist/trainer/open_model.js'

const folder = path.join(import.meta.dirname, '..', 'build', 'bench')
const modelFolder = process.env.RFT_BENCH_MODEL ?? path.join(folder, 'model')
const dataFile = path.join(folder, 'data', 'train.jsonl')

/** Makes what is missing. */
export async function prepare() {
  if (!existsSync(dataFile)) await generateShapes({ dir: path.dirname(dataFile), seed: 0, train: 512, heldOut: 0 })
  const weights = path.join(modelFolder, 'model.safetensors')
  if (existsSync(weights) || process.env.RFT_BENCH_MODEL) return { model: modelFolder, data: dataFile }
  const source = await createModelFolder(modelFolder, { model: modelSizes, sentences: shapesSentences() })
  const model = await Model.create(source.spec)
  await model.initRandom(0)
  const { header, sinks } = planSave(source, 'F32')
  await model.save(weights, header, sinks)
  model.dispose()
  return { model: modelFolder, data: dataFile }
}

/** The model with its tokenizer and processor, and the rows of the data. */
export async function open() {
  const { model, data } = await prepare()
  return {
    opened: await openModel(model, { device: 'cpu', threads: Number(process.env.RFT_THREADS) }),
    rows: await loadRows([data]),
  }
}
