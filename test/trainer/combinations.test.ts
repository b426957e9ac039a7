/**
 * Every loss with every aggregation and every KL term, through the trainer's own step on a real (very small) model:
 * what makes sense moves the weights by finite amounts, the rest is refused with a reason.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { aggregations, klEstimators, losses } from '../../src/algorithms/index.ts'
import { crossChecks } from '../../src/config/checks.ts'
import { type Config, configSchema } from '../../src/config/schema.ts'
import type { Prompt } from '../../src/core/types.ts'
import { Model } from '../../src/native/model.ts'
import { Optimizer } from '../../src/native/optimizer.ts'
import type { ModelSpec } from '../../src/native/types.ts'
import type { RewardRunner } from '../../src/rollout/reward_runner.ts'
import { Controllers } from '../../src/trainer/controllers.ts'
import type { Critic } from '../../src/trainer/critic.ts'
import { rlStep } from '../../src/trainer/step.ts'

const spec: ModelSpec = {
  decoder: {
    ...{ vocab: 24, hidden: 8, layers: 1, heads: 2, kvHeads: 1, headDim: 4, ffn: 12, rmsEps: 1e-6, ropeTheta: 1e4 },
    ...{ qkvBias: true, qkNorm: false, tiedHead: true, mropeSection: null },
  },
  vision: null,
}

/** Rewards that differ within a group, as a function of the completion's length and place. */
const rewards: RewardRunner = {
  ...{ names: ['accuracy'], weights: { accuracy: 1 }, dispose: () => {} },
  async score(batch) {
    const total = batch.map(({ completionTokens }, i) => ((i * 7) % 3) / 2 + completionTokens / 20)
    return { total, parts: { accuracy: total }, process: total.map(() => null), failures: {} }
  },
}

const prompts: Prompt[] = [[1, 2, 3], [4, 5], [6, 7, 8, 9], [3]].map((ids, i) => ({
  row: { id: `row:${i}`, messages: [], images: [], answer: null, target: null, columns: {} },
  tokens: Int32Array.from(ids),
  positionIds: Int32Array.from([...ids.keys(), ...ids.keys(), ...ids.keys()]),
  ...{ images: [], imageRows: new Int32Array(0), nextPosition: ids.length },
}))

const sampling = {
  ...{ maxNewTokens: 6, temperature: 1, topK: 0, topP: 1, minP: 0, seed: 3, merge: 1 },
  ...{ stopTokens: Int32Array.of(0, 1, 2, 3, 4, 5, 6, 7), forbiddenTokens: new Int32Array(0), decode: () => '' },
}

let initial: Model
let policy: Model
let reference: Model
let critic: Model
let before: Float32Array

beforeAll(async () => {
  const shared = { ...spec, valueHead: true }
  ;[initial, policy, reference, critic] = (await Promise.all(
    [shared, shared, spec, shared].map((s) => Model.create(s)),
  )) as [Model, Model, Model, Model]
  await initial.initRandom(1)
  await reference.initRandom(2)
  before = await initial.readParameter('decoder.embed.weight')
})
afterAll(() => {
  for (const model of [initial, policy, reference, critic]) model.dispose()
})

type AlgorithmInput = Record<string, unknown>
const base = (algorithm: AlgorithmInput) => ({
  run: { dir: 'r' },
  model: { path: 'm' },
  data: { train: ['t'] },
  rollout: { promptsPerStep: 4, groupSize: 3, maxNewTokens: 6 },
  optimizer: { lr: 1e-2 },
  train: { steps: 3, tokensPerMicroBatch: 24 },
  algorithm: { miniBatches: 2, ...algorithm },
})

/** Three steps from the same weights. @returns the largest change of a weight, and the metrics of the last step. */
async function run(config: Config) {
  await policy.copyFrom(initial)
  await critic.copyFrom(initial)
  const own = config.algorithm.trainer === 'ppo' && config.algorithm.critic.backbone === 'own'
  const options = { ...config.optimizer, noDecay: [] }
  const optimizer = await Optimizer.create(policy, options)
  const criticOptimizer = own ? await Optimizer.create(critic, options) : null
  const isPpo = config.algorithm.trainer === 'ppo'
  const context = {
    ...{ config, policy, optimizer, rewards, sampling, methods: null },
    critic: (isPpo ? { model: own ? critic : policy, optimizer: criticOptimizer } : null) as Critic | null,
    reference: config.algorithm.kl.coef > 0 ? reference : null,
    controllers: new Controllers(config, { klCoef: null, entropyCoef: null, lastEntropy: null }),
  }
  const seen: Record<string, number>[] = []
  for (let step = 0; step < 3; step++) seen.push((await rlStep(context, prompts, step, 1e-2)).metrics)
  const after = await policy.readParameter('decoder.embed.weight')
  optimizer.dispose()
  criticOptimizer?.dispose()
  return { change: after.reduce((most, v, i) => Math.max(most, Math.abs(v - before[i]!)), 0), seen }
}

async function expectFiniteUpdates(config: Config): Promise<Record<string, number>[]> {
  const { change, seen } = await run(config)
  for (const metrics of seen) {
    expect(Number.isFinite(metrics.loss)).toBe(true)
    expect(metrics.grad_norm).toBeGreaterThan(0)
    expect(metrics.skipped_updates).toBe(0)
  }
  expect(change).toBeGreaterThan(1e-4)
  expect(change).toBeLessThan(1)
  return seen
}

const kls: [string, AlgorithmInput][] = [
  ['no KL', {}],
  ...Object.keys(klEstimators).flatMap((estimator): [string, AlgorithmInput][] => [
    [`${estimator} in the loss`, { coef: 0.1, estimator }],
    [`${estimator} in the loss, bias-corrected`, { coef: 0.1, estimator, biasCorrected: true }],
    [`${estimator} in the reward`, { coef: 0.1, estimator, place: 'reward' }],
  ]),
]

/** Such a small batch has few tokens to choose from. */
const cov = (kind: string) => ({
  ...(kind.endsWith('-cov') ? { covShare: 0.2 } : {}),
  ...(kind === 'clip-cov' ? { covLow: -1 } : {}),
})

describe.each(Object.keys(losses))('%s', (kind) => {
  test.each(kls)('with %s, in every aggregation', async (_, kl) => {
    let trained = 0
    for (const aggregation of aggregations) {
      const loss = { kind, aggregation, ...cov(kind) }
      const parsed = configSchema.safeParse(base({ loss, kl }))
      if (!parsed.success) {
        // Refused: by the checks across keys, each of which gives its reason.
        for (const issue of parsed.error.issues)
          expect(issue).toMatchObject({ code: 'custom', params: { remedy: expect.stringMatching(/\w{3,}.*\./) } })
        continue
      }
      await expectFiniteUpdates(parsed.data)
      trained++
    }
    const mayRefuseAll = ['k1 in the loss', 'k3-k2 in the reward']
    if (!mayRefuseAll.includes(_) && !_.includes('bias-corrected')) expect(trained).toBeGreaterThanOrEqual(5)
  })
})

test('what is refused, and what is not, in numbers', () => {
  let allowed = 0
  let refused = 0
  for (const kind of Object.keys(losses))
    for (const aggregation of aggregations)
      for (const [, kl] of kls)
        if (configSchema.safeParse(base({ loss: { kind, aggregation }, kl })).success) allowed++
        else refused++
  expect({ allowed, refused }).toEqual({ allowed: 627, refused: 309 })
})

describe('everything else that an update may have', () => {
  const cases: [string, AlgorithmInput, string[]][] = [
    ['rloo', { preset: 'rloo' }, ['kl']],
    ['gdpo', { advantage: { kind: 'gdpo' } }, []],
    ['remax', { advantage: { kind: 'remax' } }, []],
    ['cispo', { loss: { kind: 'cispo' } }, ['cispo_clip_ratio']],
    ['vespo', { loss: { kind: 'vespo' } }, ['vespo/phi_seq_mean']],
    ['opo', { advantage: { kind: 'opo' } }, []],
    ['gpg', { advantage: { kind: 'gpg' }, loss: { kind: 'reinforce' } }, []],
    ['pass@k', { advantage: { kind: 'pass-at-k', eps: 1e-6 } }, []],
    ['reinforce++', { preset: 'reinforce++' }, ['kl']],
    ['reinforce++-baseline', { advantage: { kind: 'reinforce++-baseline' } }, []],
    ['standardised', { advantage: { standardize: true } }, []],
    ['PPO', { trainer: 'ppo' }, ['critic/vf_explained_var', 'loss/value_avg', 'critic/grad_norm']],
    ['PPO, shared backbone', { trainer: 'ppo', critic: { backbone: 'shared' } }, ['critic/vf_explained_var']],
    ['PPO, several epochs and KL in the reward', { preset: 'ppo' }, ['kl', 'val/clipfrac_avg']],
    ['PPO, gspo-token', { trainer: 'ppo', loss: { kind: 'gspo-token' } }, []],
    ['entropy bonus', { entropy: { coef: 0.01 } }, ['entropy_coef', 'policy_loss']],
    ['adaptive entropy', { entropy: { coef: 0.01, target: 5 } }, ['entropy_coef']],
    ['high-entropy tokens', { entropy: { topShare: 0.3 } }, []],
    ['off-policy mask', { offPolicyThreshold: 0, updatesPerRollout: 2 }, []],
    ['masked truncated', { maskTruncated: true }, []],
    ['filtered truncated', { filterTruncated: true }, []],
    [
      'shaping',
      { shaping: { overlongCache: 4, cosineWeight: 0.5, repetitionWeight: 0.5 } },
      ['rewards/repetition/mean', 'rewards/soft_overlong/mean', 'rewards/cosine_length/mean'],
    ],
    ['KL: linear', { kl: { coef: 0.1, schedule: 'linear' } }, ['kl', 'kl_coef']],
    ['KL: cosine', { kl: { coef: 0.1, schedule: 'cosine' } }, ['kl_coef']],
    ['KL: adaptive', { kl: { coef: 0.1, schedule: 'adaptive', horizon: 100 } }, ['kl_coef']],
    ['KL: accuracy of the group', { kl: { coef: 0.1, schedule: 'accuracy', accuracyOver: 'group' } }, ['kl_coef']],
  ]
  test.each(cases)('%s', async (_, algorithm, metrics) => {
    const seen = await expectFiniteUpdates(configSchema.parse(base(algorithm)))
    for (const name of metrics) expect(Object.keys(seen[2]!)).toContain(name)
  })

  test.each(['token', 'sequence-product', 'sequence-geometric'])('rollout correction by %s', async (level) => {
    for (const bound of ['truncate', 'mask']) {
      const config = configSchema.parse(base({ rolloutCorrection: { level, bound } }))
      const seen = await expectFiniteUpdates(config)
      // This engine samples and trains with the same bits: there is nothing to correct.
      expect(seen[0]!['sampling/importance_sampling_ratio/mean']).toBe(1)
    }
  })

  test('schedules move the weight of the KL term', async () => {
    const coefs = async (kl: AlgorithmInput) =>
      (await run(configSchema.parse(base({ kl })))).seen.map((m) => Math.round(m.kl_coef! * 1e4) / 1e4)
    expect(await coefs({ coef: 0.1, schedule: 'linear', endCoef: 0.3 })).toEqual([0.1, 0.2, 0.3])
    expect(await coefs({ coef: 0.1, schedule: 'cosine' })).toEqual([0.1, 0.05, 0])
    const adaptive = await coefs({ coef: 0.1, schedule: 'adaptive', target: 1e-6, horizon: 100 })
    expect(adaptive[2]! > adaptive[1]! && adaptive[1]! > adaptive[0]!).toBe(true)
  })

  test('in the warm-up only the critic learns', async () => {
    for (const backbone of ['own', 'shared']) {
      const config = configSchema.parse(base({ trainer: 'ppo', critic: { backbone, warmupSteps: 3 } }))
      const { change, seen } = await run(config)
      // On a shared backbone the value loss moves it as soon as the head is not 0.
      if (backbone === 'own') expect(change).toBe(0)
      expect(seen[2]!['loss/value_avg']!).toBeLessThan(seen[0]!['loss/value_avg']!)
    }
  })
})

test('the checks see every combination once', () => {
  const config = configSchema.parse(base({}))
  expect(crossChecks(config)).toEqual([])
})
