// What kill_points and soak train: a tiny random Qwen2.5-VL, drawn shapes, and a reward that differs between completions
// from the first step on.
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { pathToFileURL } from 'node:url'

/**
 * @param folder gets `model/`, `data/` and `vowels.mjs`
 * @param options.dist compiled package
 * @param options.train rows, with half a dozen more held out
 * @returns the parts of a configuration that name them
 */
export async function writeTinyRun(folder, { dist, train }) {
  const load = (file) => import(pathToFileURL(path.join(dist, file)).href)
  const { createModelFolder } = await load('quickstart/model_folder.js')
  const { generateShapes, shapesSentences } = await load('data/shapes/index.js')
  const { planSave } = await load('checkpoint/hf_folder.js')
  const { Model } = await load('native/model.js')
  const vision = { hidden: 32, layers: 1, heads: 2, ffn: 48, window: 56, fullBlocks: [0] }
  const sizes = { vocab: 320, hidden: 32, layers: 2, heads: 2, kvHeads: 1, ffn: 48, vision }
  const [model, data, reward] = ['model', 'data', 'vowels.mjs'].map((name) => path.join(folder, name))
  const source = await createModelFolder(model, { model: sizes, sentences: shapesSentences() })
  const random = await Model.create(source.spec)
  await random.initRandom(5)
  const { header, sinks } = planSave(source, 'F32')
  await random.save(path.join(model, 'model.safetensors'), header, sinks)
  random.dispose()
  await generateShapes({ dir: data, seed: 3, train, heldOut: 8 })
  const score = '({ completion }) => completion.split(/[aeiou]/).length'
  writeFileSync(reward, `export default { name: 'vowels', score: ${score} }`)
  return {
    model: { path: model },
    data: { train: [path.join(data, 'train.jsonl')], eval: [path.join(data, 'held_out.jsonl')] },
    rollout: { promptsPerStep: 2, groupSize: 4, maxNewTokens: 8 },
    rewards: [{ file: reward }],
  }
}
