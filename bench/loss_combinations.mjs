// node bench/loss_combinations.mjs [part of a loss's name]     some minutes
//
// Every loss with every aggregation and every KL term on the quickstart's model with its images: three steps of the
// trainer from the same weights, 2 prompts x 2 completions of 4 tokens in two mini-batches, against a reference with other
// weights. Each combination either moves the weights by finite amounts or is refused with a reason. Writes
// results/loss_combinations.json, and ends with 1 where one does neither.
import { mkdirSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { aggregations, klEstimators, losses } from '../dist/algorithms/index.js'
import { configSchema } from '../dist/config/schema.js'
import { Model } from '../dist/native/model.js'
import { Optimizer } from '../dist/native/optimizer.js'
import { Controllers } from '../dist/trainer/controllers.js'
import { rlStep } from '../dist/trainer/step.js'
import { describeMachine } from './machine.mjs'
import { open } from './quickstart.mjs'

const [filter = ''] = process.argv.slice(2)
const STEPS = 3
const LEARNING_RATE = 1e-3

const places = {
  'in the loss': {},
  'in the loss, bias-corrected': { biasCorrected: true },
  'in the reward': { place: 'reward' },
}
const klTerms = {
  none: {},
  ...Object.fromEntries(
    Object.keys(klEstimators).flatMap((estimator) =>
      Object.entries(places).map(([place, more]) => [`${estimator} ${place}`, { coef: 0.1, estimator, ...more }]),
    ),
  ),
}

/** So few tokens leave Clip-Cov and KL-Cov little to choose from. */
const chosenTokens = (kind) => ({
  ...(kind.endsWith('-cov') ? { covShare: 0.2 } : {}),
  ...(kind === 'clip-cov' ? { covLow: -1 } : {}),
})

const configOf = (kind, aggregation, kl) =>
  configSchema.safeParse({
    run: { dir: 'unused' },
    model: { path: 'unused' },
    data: { train: ['unused'] },
    rollout: { promptsPerStep: 2, groupSize: 2, maxNewTokens: 4 },
    optimizer: { lr: LEARNING_RATE },
    train: { steps: STEPS, tokensPerMicroBatch: 256 },
    algorithm: { miniBatches: 2, loss: { kind, aggregation, ...chosenTokens(kind) }, kl },
  })

/** One completion of each group is right. */
const rewards = {
  ...{ names: ['accuracy'], weights: { accuracy: 1 }, dispose: () => {} },
  async score(batch) {
    const total = batch.map((_, i) => i % 2)
    return { total, parts: { accuracy: total }, process: total.map(() => null), failures: {} }
  },
}

process.env.RFT_THREADS ??= String(os.availableParallelism())
const { opened, rows } = await open()
const policy = opened.model
const [initial, reference] = await Promise.all([Model.create(policy.spec), Model.create(policy.spec)])
await initial.copyFrom(policy)
await reference.initRandom(2)
const prompts = await Promise.all(rows.slice(0, 2).map((row) => opened.toPrompt(row)))

/** Weights of the trained parameters, one array each. */
async function weightsOf(model) {
  const trained = model.parameters().filter(({ trainable }) => trainable)
  const read = []
  for (const { name } of trained) read.push(await model.readParameter(name))
  return read
}
const before = await weightsOf(initial)

/** @returns why the combination failed, or '' */
async function train(config) {
  await policy.copyFrom(initial)
  const optimizer = await Optimizer.create(policy, { ...config.optimizer, noDecay: [] })
  const sampling = opened.generateOptions({ ...config.rollout, seed: 3 })
  const context = {
    ...{ config, policy, optimizer, rewards, critic: null, methods: null },
    reference: config.algorithm.kl.coef > 0 ? reference : null,
    controllers: new Controllers(config, { klCoef: null, entropyCoef: null, lastEntropy: null }),
    sampling: { ...sampling, stopTokens: new Int32Array(), merge: opened.merge, decode: opened.decode },
  }
  try {
    for (let step = 0; step < STEPS; step++) {
      const { metrics, updates } = await rlStep(context, prompts, step, LEARNING_RATE)
      if (updates !== 2) return `step ${step}: expected 2 updates but received ${updates}`
      if (!Number.isFinite(metrics.loss)) return `step ${step}: expected a finite loss but received ${metrics.loss}`
      if (!(metrics.grad_norm > 0)) return `step ${step}: expected a gradient but received ${metrics.grad_norm}`
    }
    return changeOf(await weightsOf(policy))
  } catch (error) {
    return String(error)
  } finally {
    optimizer.dispose()
  }
}

function changeOf(after) {
  let largest = 0
  for (const [p, values] of after.entries())
    for (let i = 0; i < values.length; i++) {
      const change = Math.abs(values[i] - before[p][i])
      if (!(change < 1)) return `expected weights that move by less than 1 but received ${change}`
      largest = Math.max(largest, change)
    }
  return largest > 0 ? '' : 'expected weights that move but received none'
}

const begin = performance.now()
const byLoss = {}
const refused = {}
const failed = []
for (const kind of Object.keys(losses).filter((name) => name.includes(filter))) {
  const own = { trained: 0, refused: 0 }
  for (const aggregation of aggregations)
    for (const [term, kl] of Object.entries(klTerms)) {
      const parsed = configOf(kind, aggregation, kl)
      const why = parsed.success ? await train(parsed.data) : ''
      if (why !== '') failed.push({ kind, aggregation, kl: term, why })
      if (parsed.success) own.trained++
      else own.refused++
      for (const { path: key, message } of parsed.error?.issues ?? []) {
        const reason = `${key.join('.')}: ${message}`
        refused[reason] = (refused[reason] ?? 0) + 1
      }
    }
  byLoss[kind] = own
  console.log(kind, JSON.stringify(own), `${Math.round((performance.now() - begin) / 1000)} s`)
}

const sum = (key) => Object.values(byLoss).reduce((total, own) => total + own[key], 0)
const { machine } = describeMachine()
const result = {
  ...{ machine, seconds: Math.round((performance.now() - begin) / 1000), steps: STEPS },
  combinations: sum('trained') + sum('refused'),
  ...{ trained: sum('trained') - failed.length, refused: sum('refused'), failed, byLoss, reasons: refused },
}
console.log(`${result.trained} trained, ${result.refused} refused, ${failed.length} failed in ${result.seconds} s`)
for (const one of failed) console.log(JSON.stringify(one))
if (filter === '') {
  const file = path.join(import.meta.dirname, 'results', 'loss_combinations.json')
  mkdirSync(path.dirname(file), { recursive: true })
  writeFileSync(file, `${JSON.stringify(result, null, 2)}\n`)
}
for (const model of [initial, reference]) model.dispose()
opened.dispose()
process.exitCode = failed.length === 0 ? 0 : 1
