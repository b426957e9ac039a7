// node bench/methods.mjs [part of a preset's name]     some minutes
//
// Every preset of a method on the quickstart's model with its images: three steps of whole runs, 4 prompts x 4 completions of 48
// tokens (sizes alone differ from the paper's; its losses, rewards and methods are in place), from weights that have imitated
// the quickstart's solutions for 200 steps, so that some answers are right. Writes results/methods.json, and ends with 1 where a
// step is not finite or a reward fails.
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { checkpointPath } from '../dist/checkpoint/retention.js'
import { parseConfig } from '../dist/config/load.js'
import { methodPresets } from '../dist/config/method_presets.js'
import { generateShapes } from '../dist/data/shapes/index.js'
import { readMetrics } from '../dist/metrics/jsonl.js'
import { warmStartConfig } from '../dist/quickstart/settings.js'
import { train } from '../dist/trainer/train.js'
import { describeMachine } from './machine.mjs'
import { prepare } from './quickstart.mjs'

const [filter = ''] = process.argv.slice(2)
const STEPS = 3
const WARM_STEPS = 200
const folder = mkdtempSync(path.join(os.tmpdir(), 'rft-methods-'))
const { model: untrained, data } = await prepare()
const model = process.env.RFT_BENCH_MODEL ?? (await warmStart())

/** The quickstart's first part, in short; made once, in build/bench. */
async function warmStart() {
  const dir = path.join(path.dirname(untrained), 'warm')
  const checkpoint = checkpointPath(path.join(dir, 'warm_start'), WARM_STEPS)
  if (existsSync(path.join(checkpoint, 'config.json'))) return checkpoint
  await generateShapes({ dir: path.join(dir, 'data'), seed: 0, train: 1, heldOut: 0, warmStart: 32 * WARM_STEPS })
  const full = warmStartConfig({ dir, seed: 0, steps: 1, threads: 0 })
  await train({ ...full, model: { ...full.model, path: untrained }, train: { ...full.train, steps: WARM_STEPS } })
  return checkpoint
}

/** The quickstart's rows with the columns that some presets read, images by their place. */
function writeRows(name, answerOf) {
  const rows = readFileSync(data, 'utf8')
    .trim()
    .split('\n')
    .slice(0, 24)
    .map((line) => JSON.parse(line))
  const written = rows.map((row, i) => ({
    ...{ ...row, answer: answerOf(row), type: ['judge', 'choice', 'open'][i % 3], image_complexity: i },
    ...{ images: row.images.map((image) => path.resolve(path.dirname(data), image)), key_steps: ['a', ['e', 'o']] },
    ...{ gt_action: 'click', gt_bbox: [0.2, 0.2, 0.8, 0.8], gt_input_text: '', schema: { type: 'object' } },
    constraints: [{ type: 'count', a: 'circle', n: 1 }],
  }))
  const file = path.join(folder, `${name}.jsonl`)
  writeFileSync(file, written.map((row) => `${JSON.stringify(row)}\n`).join(''))
  return file
}
const plain = writeRows('plain', ({ answer }) => String(answer))
const boxes = writeRows('boxes', () => "[{'Position': [100, 100, 500, 500], 'Confidence': 1}]")

/** Limits of Vision-R1's stages, in a run of short completions. */
const shortStages = { vision_r1: [{ name: 'progressive_length', parameters: { stages: ['16x4', '24x2'] } }] }

function configOf(name) {
  const { settings } = methodPresets[name]
  const ownRewards = [{ name: 'accuracy' }, { name: 'length', parameters: { max: 8, falloff: 16 } }]
  const input = {
    ...{ run: { dir: path.join(folder, name) }, model: { path: model }, algorithm: { preset: name } },
    data: { train: [name === 'visual_rft' || name === 'perception_r1' ? boxes : plain] },
    rollout: { promptsPerStep: 4, groupSize: 4, maxNewTokens: 48 },
    ...{ train: { steps: STEPS }, eval: { atEnd: false }, report: { samples: 0 } },
    ...(settings.rewards ? {} : { rewards: ownRewards }),
    ...(shortStages[name] ? { methods: shortStages[name] } : {}),
  }
  return parseConfig(JSON.stringify(input), name).config
}

const results = {}
const failed = []
for (const name of Object.keys(methodPresets)) {
  if (!name.includes(filter)) continue
  const begin = performance.now()
  await train(configOf(name))
  const steps = readMetrics(path.join(folder, name)).filter(({ loss }) => loss !== undefined)
  const failures = steps.flatMap((step) => Object.keys(step).filter((key) => key.endsWith('/failures')))
  const isSound = steps.length === STEPS && steps.every(({ loss, grad_norm }) => Number.isFinite(loss + grad_norm))
  if (!isSound || failures.length > 0) failed.push({ name, failures: [...new Set(failures)] })
  const column = (key) => steps.map((step) => Number(step[key]?.toPrecision(4)))
  results[name] = {
    seconds: Number(((performance.now() - begin) / 1000).toFixed(1)),
    ...{ reward: column('reward'), loss: column('loss'), grad_norm: column('grad_norm') },
  }
  console.log(name.padEnd(20), JSON.stringify(results[name]))
}
rmSync(folder, { recursive: true })
console.log(`${Object.keys(results).length} presets, ${failed.length} failed`, failed)
if (filter === '') {
  const file = path.join(import.meta.dirname, 'results', 'methods.json')
  const result = {
    ...describeMachine(),
    kind: 'methods',
    time: new Date().toISOString(),
    steps: STEPS,
    results,
    failed,
  }
  mkdirSync(path.dirname(file), { recursive: true })
  writeFileSync(file, `${JSON.stringify(result, null, 2)}\n`)
}
process.exitCode = failed.length === 0 ? 0 : 1
