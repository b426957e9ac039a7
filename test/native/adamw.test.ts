/** Five steps of torch.optim.AdamW on a golden model: losses, gradient norms and weights. */

import { readFileSync } from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import { openCheckpoint } from '../../src/checkpoint/hf_folder.ts'
import { checkpointKey } from '../../src/models/index.ts'
import { Model } from '../../src/native/model.ts'
import { Optimizer } from '../../src/native/optimizer.ts'
import { floats, goldenCase, goldenPack, models } from '../harness/golden_models.ts'

interface Run {
  name: string
  betas: [number, number]
  eps: number
  wd: number
  clip: number
  no_decay_parameters: string[]
  weights_stored: boolean
  steps: {
    micro_batches: number[][]
    tokens: number
    loss: number
    grad_norm_before_clip: number
    lr: number
    param_norm_after: number
  }[]
  parameters: Record<string, { norm: number; exp_avg_norm: number; exp_avg_sq_sum: number }>
}

const optim = path.join(models, '..', 'optim')
const { runs } = JSON.parse(readFileSync(path.join(optim, 'runs.json'), 'utf8')) as { runs: Run[] }
const layout = { text: 'model.', vision: '', head: 'lm_head.' }

async function takeStep(model: Model, optimizer: Optimizer, step: Run['steps'][number], clip: number) {
  const golden = goldenCase('qwen2', 'a_text')
  let loss = 0
  for (const index of step.micro_batches.flat()) {
    const sample = golden.samples[index]!
    const P = sample.prompt_ids.length
    const head = {
      rows: Int32Array.from(sample.completion_ids, (_, j) => P - 1 + j),
      targets: Int32Array.from(sample.completion_ids),
      temperature: 1,
    }
    const dlogp = new Float32Array(head.rows.length).fill(-1 / step.tokens)
    const out = await model.forwardBackward(await goldenPack('qwen2', 'a_text', index), head, { dlogp })
    for (const logp of out.logp) loss -= logp / step.tokens
  }
  return { loss, ...(await optimizer.step({ lr: step.lr, maxGradNorm: clip })) }
}

for (const run of runs) {
  test(run.name, async () => {
    const checkpoint = await openCheckpoint(path.join(models, 'qwen2'))
    using model = await Model.create(checkpoint.spec)
    await model.load(checkpoint.sources)
    const names = new Map(model.parameters().map(({ name }) => [checkpointKey(name, layout), name]))
    const noDecay = run.no_decay_parameters.map((key) => names.get(key)!)
    const [beta1, beta2] = run.betas
    using optimizer = await Optimizer.create(model, { beta1, beta2, eps: run.eps, weightDecay: run.wd, noDecay })
    await model.zeroGrad()
    for (const step of run.steps) {
      const { loss, gradNorm, skipped } = await takeStep(model, optimizer, step, run.clip)
      expect(skipped).toBe(false)
      expect(Math.abs(loss - step.loss)).toBeLessThan(1e-4)
      expect(Math.abs(gradNorm / step.grad_norm_before_clip - 1)).toBeLessThan(1e-4)
    }
    let [squares, entries, beyond, worst] = [0, 0, 0, 0]
    for (const [key, golden] of Object.entries(run.parameters)) {
      const ours = await model.readParameter(names.get(key)!)
      const norm = Math.sqrt(ours.reduce((sum, x) => sum + x * x, 0))
      expect(Math.abs(norm / golden.norm - 1), key).toBeLessThan(1e-5)
      if (!run.weights_stored) continue
      const after = await floats(path.join(optim, `${run.name}.weights_after.safetensors`), key)
      for (const [i, x] of ours.entries()) {
        const difference = Math.abs(x - after[i]!)
        squares += difference ** 2
        if (difference > 1e-5) beyond++
        worst = Math.max(worst, difference)
      }
      entries += ours.length
    }
    if (!run.weights_stored) return
    expect(Math.sqrt(squares / entries)).toBeLessThan(1e-6)
    expect(beyond / entries).toBeLessThan(1e-3)
    expect(worst).toBeLessThan(5e-4)
  })
}
