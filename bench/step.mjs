// A whole GRPO step of the quickstart's model, from dataset rows to updated weights: 16 prompts with an 84 x 84 image,
// 8 completions of 14 tokens each, in micro-batches of 1,024 tokens. And the update alone, with shared prompts against our own naive packing.
// Peers: peers/grpo_step.py (TRL), peers/grpo_step_lean.py (a loop by hand).
//   node bench/step.mjs [filter]     RFT_THREADS: threads
import path from 'node:path'
import { configSchema } from '../dist/config/schema.js'
import { Optimizer } from '../dist/native/optimizer.js'
import { packGroups } from '../dist/rollout/pack.js'
import { createRewardRunner } from '../dist/rollout/reward_runner.js'
import { Controllers } from '../dist/trainer/controllers.js'
import { rlStep } from '../dist/trainer/step.js'
import { open } from './quickstart.mjs'
import { measure } from './rows.mjs'

const [prompts, samples, newTokens] = [16, 8, 14]
const { opened, rows } = await open()
const { model, merge } = opened
const adamw = { beta1: 0.9, beta2: 0.999, eps: 1e-8, weightDecay: 0, noDecay: [] }
const optimizer = await Optimizer.create(model, adamw)

async function wholeStep() {
  const rewards = await createRewardRunner([{ file: path.join(import.meta.dirname, 'reward.mjs') }])
  const config = configSchema.parse({
    run: { dir: 'unused' },
    model: { path: 'unused' },
    data: { train: ['unused'] },
    rollout: { promptsPerStep: prompts, groupSize: samples, maxNewTokens: newTokens },
    rewards: [{ name: 'accuracy' }],
    train: { steps: 1, tokensPerMicroBatch: 1024 }, // memory, not the result, depends on it
  })
  const sampling = opened.generateOptions({ ...config.rollout, seed: 0 })
  const context = {
    ...{ config, policy: model, optimizer, reference: null, critic: null, methods: null, rewards },
    controllers: new Controllers(config, { klCoef: null, entropyCoef: null, lastEntropy: null }),
    sampling: { ...sampling, stopTokens: new Int32Array(), merge, decode: opened.decode },
  }
  await measure(
    { kernel: 'grpo step', shape: `${prompts} prompts x ${samples}, 84x84 image, ${newTokens} new` },
    async (call) => {
      model.resetPeak()
      const taken = Array.from({ length: prompts }, (_, i) => rows[(call * prompts + i) % rows.length])
      const begin = performance.now()
      const ready = await Promise.all(taken.map((row) => opened.toPrompt(row)))
      const prompt_ms = performance.now() - begin
      const { metrics, updates } = await rlStep(context, ready, call, 1e-6)
      if (updates !== 1) throw new Error(`expected 1 update but received ${updates}`)
      const timing = Object.entries(metrics).filter(([key]) => key.startsWith('timing/'))
      const phases = timing.map(([key, seconds]) => [`${key.slice(7)}_ms`, seconds * 1000])
      const saved = { tokens_saved: metrics.prompt_tokens_saved, prompt_tokens: ready[0].tokens.length }
      return { prompt_ms, ...Object.fromEntries(phases), ...saved, peak_mb: model.memory().peak / 2 ** 20 }
    },
  )
  rewards.dispose()
}

/** One group of 8 completions of 64 tokens behind a text prompt of 512. */
async function packing(shared) {
  const [P, R, G] = [512, 64, 8]
  const { vocab } = opened.checkpoint.spec.decoder
  const token = (i) => 20 + ((i * 7919) % (vocab - 40))
  const positions = Int32Array.from({ length: 3 * P }, (_, i) => i % P)
  const prompt = {
    row: rows[0],
    tokens: Int32Array.from({ length: P }, (_, i) => token(i)),
    positionIds: positions,
    images: [],
    imageRows: new Int32Array(),
    nextPosition: P,
  }
  const completions = Array.from({ length: G }, (_, g) => Int32Array.from({ length: R }, (_, i) => token(g * R + i)))
  const options = { tokenBudget: Number.POSITIVE_INFINITY, temperature: 1, merge, shared }
  const [{ pack, head, tokensSaved }] = packGroups([{ prompt, completions }], options)
  const dlogp = Float32Array.from(head.rows, (_, i) => (i % 2 ? 1e-3 : -1e-3))
  await measure({ kernel: shared ? 'update shared' : 'update naive', shape: `P ${P} R ${R} G ${G}` }, async () => {
    model.resetPeak()
    await model.forwardBackward(pack, head, { dlogp })
    await optimizer.step({ lr: 1e-6, maxGradNorm: 1 })
    return { tokens: pack.tokens.length, tokens_saved: tokensSaved, peak_mb: model.memory().peak / 2 ** 20 }
  })
}

await wholeStep()
for (const shared of [true, false]) await packing(shared)
optimizer.dispose()
opened.dispose()
