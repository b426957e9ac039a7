// A model without training: completions of a row with their log-probabilities, and the same numbers by scoring.
//   node examples/inspect.mjs MODEL ROWS.jsonl
import { collect, loadModel, packGroups, readRows } from 'rft'

const [folder, file] = process.argv.slice(2)
const opened = await loadModel(folder)
try {
  const { model, merge, decode, toPrompt, generateOptions } = opened
  const { value: row } = await readRows(file).next()
  const prompt = await toPrompt(row)
  const settings = { temperature: 1, topK: 0, topP: 1, minP: 0, maxNewTokens: 16, stop: [], seed: 7 }
  const sampling = { ...generateOptions(settings), merge, decode, step: 0, samples: 4 }
  const [{ completions }] = await collect(model, [prompt], sampling)

  // The samples share their prompt here as they did while they were drawn.
  const group = { prompt, completions: completions.map(({ tokens }) => tokens) }
  const [{ pack, head }] = packGroups([group], { tokenBudget: 10_000, temperature: 1, merge })
  const scored = await model.score(pack, head)

  const sampled = completions.flatMap(({ logp }) => [...logp])
  const same = sampled.every((logp, i) => logp === scored.logp[i])
  for (const { text, logp } of completions)
    console.log(
      `${logp
        .reduce((sum, value) => sum + value, 0)
        .toFixed(3)
        .padStart(9)}  ${JSON.stringify(text)}`,
    )
  console.log(`sampler and trainer agree bit for bit: ${same}`)
} finally {
  opened.dispose()
}
