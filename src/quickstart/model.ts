/** The quickstart's model: a Qwen2.5-VL folder with random weights and a tokenizer of its own. */
import { join } from 'node:path'
import { planSave } from '../checkpoint/hf_folder.ts'
import { shapesSentences } from '../data/shapes/index.ts'
import { Model } from '../native/model.ts'
import { createModelFolder } from './model_folder.ts'
import { modelSizes } from './settings.ts'

/** Creates `dir`, ready to be loaded. The same seed gives the same bytes. */
export async function createModel(dir: string, seed: number): Promise<void> {
  const source = await createModelFolder(dir, { model: modelSizes, sentences: shapesSentences() })
  const model = await Model.create(source.spec)
  try {
    await model.initRandom(seed)
    const plan = planSave(source, 'F32')
    await model.save(join(dir, 'model.safetensors'), plan.header, plan.sinks)
  } finally {
    model.dispose()
  }
}
