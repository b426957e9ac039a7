// node bench/lora.mjs [seed] [steps]
//
// The quickstart's reinforcement twice from one warm start, with the same seed, data and budget: all weights trained, and
// adapters of rank 8 on every linear of the decoder at ten times the learning rate, as LoRA is used. Greedy accuracy on
// the held-out rows before and after, and bytes of optimizer state and gradients as the pool measures them.
// Writes results/lora.json.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { configSchema } from '../dist/config/schema.js'
import { generateShapes } from '../dist/data/shapes/index.js'
import { createModel } from '../dist/quickstart/model.js'
import {
  defaultSteps,
  heldOutRows,
  places,
  reinforceConfig,
  trainRows,
  warmStartConfig,
  warmStartRows,
} from '../dist/quickstart/settings.js'
import { openRun } from '../dist/trainer/open.js'
import { train, trainRun } from '../dist/trainer/train.js'

const LORA = { rank: 8, alpha: 16 }
const [seed = 0, steps = defaultSteps] = process.argv.slice(2).map(Number)
const dir = mkdtempSync(path.join(os.tmpdir(), 'rft-lora-'))
const options = { dir, seed, steps, threads: 0 }

async function warmStart() {
  const { data, model } = places(dir)
  await generateShapes({ dir: data, seed, train: trainRows, heldOut: heldOutRows, warmStart: warmStartRows })
  await createModel(model, seed)
  return (await train(warmStartConfig(options))).checkpoint
}

async function reinforce(name, start, change) {
  const base = reinforceConfig(options, start)
  const config = configSchema.parse({ ...base, ...change(base), run: { ...base.run, dir: path.join(dir, name) } })
  const run = await openRun(config)
  try {
    const parameters = run.policy.parameters().filter(({ trainable }) => trainable)
    const trained = parameters.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0)
    const { firstEvaluation, lastEvaluation, stepSeconds } = await trainRun(run)
    const { optimizer, gradients } = run.policy.memory()
    const row = {
      name,
      ...{ lr: config.optimizer.lr, lora: config.lora && { rank: config.lora.rank, alpha: config.lora.alpha } },
      ...{ trained, optimizerBytes: optimizer, gradientBytes: gradients },
      ...{ before: firstEvaluation.accuracy, after: lastEvaluation.accuracy, stepSeconds: Math.round(stepSeconds) },
    }
    console.log(JSON.stringify(row))
    return row
  } finally {
    run.dispose()
  }
}

try {
  const start = await warmStart()
  const full = await reinforce('full', start, () => ({}))
  const lora = await reinforce('lora', start, ({ optimizer }) => ({
    ...{ lora: LORA, optimizer: { ...optimizer, lr: 10 * optimizer.lr } },
  }))
  const result = {
    ...{ seed, steps, heldOut: heldOutRows, full, lora },
    optimizerShare: lora.optimizerBytes / full.optimizerBytes,
    gainShare: (lora.after - lora.before) / (full.after - full.before),
  }
  const file = path.join(import.meta.dirname, 'results', 'lora.json')
  mkdirSync(path.dirname(file), { recursive: true })
  writeFileSync(file, `${JSON.stringify(result, null, 2)}\n`)
  console.log(JSON.stringify(result, null, 2))
} finally {
  rmSync(dir, { recursive: true, force: true })
}
