/** The engine's losses in a pass of a model: their sums against those written for reading, gradients against one's own. */
import { expect, test } from 'vitest'
import { policyLoss } from '../../src/native/kernels.ts'
import { Model } from '../../src/native/model.ts'
import type { ModelSpec, PolicyLossInput } from '../../src/native/types.ts'
import { policyLossSums } from './loss_sums.ts'

const spec: ModelSpec = {
  decoder: {
    ...{ vocab: 16, hidden: 8, layers: 1, heads: 2, kvHeads: 1, headDim: 4, ffn: 12, rmsEps: 1e-6, ropeTheta: 1e4 },
    ...{ qkvBias: true, qkNorm: false, tiedHead: true, mropeSection: null },
  },
  vision: null,
}
const tokens = Int32Array.of(3, 1, 4, 1, 5, 9, 2, 6)
const n = tokens.length
const pack = {
  ...{ tokens, positionIds: Int32Array.from([...tokens.keys(), ...tokens.keys(), ...tokens.keys()]) },
  ...{ segments: Int32Array.of(0, n, 0, 0, 0, n, 1), vision: null },
}
const head = { rows: Int32Array.of(0, 1, 2, 4, 5, 6), targets: Int32Array.of(1, 4, 1, 9, 2, 6), temperature: 0.9 }

const clip = { clipLow: 0.2, clipHigh: 0.2, dualClip: null, ratioCap: null }

function inputFor(logp: Float32Array, loss: PolicyLossInput['loss']): PolicyLossInput {
  const moved = (by: number[]) => logp.map((l, i) => l + by[i]!)
  return {
    loss,
    advantages: Float32Array.of(1, -1, 2, 0.5, -0.7, 1),
    weights: Float32Array.of(0.1, 0.2, 0.1, 0, 0.3, 0.1),
    oldLogp: moved([0.5, 0.3, -0.4, 0, 0.6, -0.1]),
    kl: { refLogp: moved([0.2, -0.3, 0.1, 0, 0.5, -0.6]), coef: 0.1, estimator: 'k3', biasCorrected: false },
    keep: Uint8Array.of(1, 1, 0, 1, 1, 1),
    sampledLogp: moved([0.01, -0.02, 0.3, 0.5, 0, 0]),
    offPolicyThreshold: 0.05,
    entropyWeights: Float32Array.of(-0.1, 0, -0.1, 0, -0.1, -0.1),
    sequences: Int32Array.of(0, 3, 6),
  }
}

test.each([
  { kind: 'clip' as const, ...clip },
  { kind: 'gspo' as const, ...clip },
])('sums and gradients of $kind', async (loss) => {
  using model = await Model.create(spec)
  await model.initRandom(4)
  const scores = await model.score(pack, head)
  const input = inputFor(scores.logp, loss)
  const gradientOf = async (of: Parameters<Model['forwardBackward']>[2]) => {
    await model.zeroGrad()
    const output = await model.forwardBackward(pack, head, of)
    return { output, gradient: await model.readGradient('decoder.layers.0.q.weight') }
  }
  const { output, gradient } = await gradientOf({ policy: input })
  expect(output).toMatchObject({ logp: new Float32Array(), entropy: new Float32Array(), value: null })
  const wanted = policyLossSums(scores, input)
  const { low, high, logRatio, ...numbers } = output.policy!
  expect({ low, high }).toEqual({ low: wanted.low, high: wanted.high })
  for (const [b, value] of logRatio.entries()) expect(value).toBeCloseTo(wanted.logRatio[b]!, 6)
  for (const [name, value] of Object.entries(numbers))
    expect([name, value]).toEqual([name, expect.closeTo(wanted[name as keyof typeof numbers], 6)])
  const { dlogp } = policyLoss(scores.logp, input)
  const own = await gradientOf({ dlogp, dentropy: input.entropyWeights! })
  expect(gradient).toEqual(own.gradient)
  expect(own.output).toMatchObject({ ...scores, policy: null })
})

test('columns that are missing or of another length are refused', async () => {
  using model = await Model.create(spec)
  await model.initRandom(4)
  const input = inputFor((await model.score(pack, head)).logp, { kind: 'gspo', ...clip })
  const run = (change: Partial<PolicyLossInput>) =>
    model.forwardBackward(pack, head, { policy: { ...input, ...change } })
  await expect(run({ oldLogp: new Float32Array(5) })).rejects.toThrow(
    'policy_loss: expected 6 values in every column but received 5',
  )
  await expect(run({ sequences: null })).rejects.toThrow('policy_loss sequences: expected offsets of the completions')
  await expect(run({ sequences: Int32Array.of(0, 7) })).rejects.toThrow(
    'expected offsets from 0 to 6 but received 0 to 7',
  )
  await expect(run({ sampledLogp: null })).rejects.toThrow('policy_loss sampledLogp: expected')
  const clipped = { loss: { kind: 'clip' as const, ...clip }, offPolicyThreshold: null }
  await expect(run({ ...clipped, sequences: Int32Array.of(0, 4, 2, 6) })).rejects.toThrow('offsets that do not fall')
})
