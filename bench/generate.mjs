// New tokens per second of the quickstart's model: B prompts with an image each, one completion of 48 tokens, sampled.
// Peer: peers/generate.py.
//   node bench/generate.mjs [filter]     RFT_THREADS: threads
import { visionInput } from '../dist/rollout/images.js'
import { open } from './quickstart.mjs'
import { measure } from './rows.mjs'

const newTokens = 48
const { opened, rows } = await open()
const { model, merge } = opened
const prompts = await Promise.all(rows.map((row) => opened.toPrompt(row)))

const sampling = { temperature: 1, topK: 0, topP: 1, minP: 0, maxNewTokens: newTokens, stop: [], seed: 0 }
// without stop tokens, so that both sides draw the same number of tokens
const options = { ...opened.generateOptions(sampling), stopTokens: new Int32Array() }

const norm = await model.readParameter('decoder.norm.weight')
/** New weights: the features of images seen before are dropped, so that every call encodes its own. */
const forgetImages = () => model.writeParameter('decoder.norm.weight', norm)

/** `count` prompts, other ones at each call. */
function requests(call, count) {
  return Array.from({ length: count }, (_, i) => {
    const prompt = prompts[(call * count + i) % prompts.length]
    const { tokens, positionIds, nextPosition } = prompt
    return { tokens, positionIds, nextPosition, vision: visionInput(prompt, merge), samples: 1, stream: i }
  })
}

for (const batch of [1, 8, 64]) {
  const ready = Array.from({ length: 8 }, (_, call) => requests(call, batch))
  await measure(
    { kernel: 'generate', shape: `batch ${batch} new ${newTokens}` },
    async (call) => {
      model.resetPeak()
      const out = await model.generate(ready[call % ready.length], options)
      if (out.some(({ tokens }) => tokens.length !== newTokens)) throw new Error('a completion ended early')
      return { peak_mb: model.memory().peak / 2 ** 20 }
    },
    { tokens: batch * newTokens, before: forgetImages },
  )
}
opened.dispose()
