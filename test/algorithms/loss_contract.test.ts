/** What every policy loss must hold, in its readable form and as a native kernel. */
import { describe, expect, test } from 'vitest'
import { klEstimators, losses, policyLoss } from '../../src/algorithms/index.ts'
import * as kernels from '../../src/native/kernels.ts'
import type { KlEstimatorName, PolicyLossInput, PolicyObjective } from '../../src/native/types.ts'
import { kinds, objectives, type Sample, sample, title, totalOf } from './samples.ts'

const LENGTHS = [5, 1, 3, 0, 700, 2]
const names = Object.keys(klEstimators) as KlEstimatorName[]

const total = (logp: ArrayLike<number>, input: PolicyLossInput) => totalOf(policyLoss(logp, input).loss, input.weights)

/** Values that the loss holds constant while it is differentiated: CISPO's weight, GSPO-token's ratio, VESPO's phi. */
const detached = new Set<PolicyObjective['kind']>(['cispo', 'gspo-token', 'vespo'])

/** The given completions of a batch, in the given order. */
function completions({ logp, input }: Sample, chosen: number[]): Sample {
  const ranges = chosen.map((b) => [input.sequences![b]!, input.sequences![b + 1]!] as const)
  const order = ranges.flatMap(([begin, end]) => Array.from({ length: end - begin }, (_, k) => begin + k))
  const ends = ranges.map((_, k) => ranges.slice(0, k + 1).reduce((sum, [begin, end]) => sum + end - begin, 0))
  const take = (x: Float32Array) => Float32Array.from(order, (i) => x[i]!)
  const flags = (x: Uint8Array) => Uint8Array.from(order, (i) => x[i]!)
  return {
    logp: take(logp),
    input: {
      ...input,
      ...{ advantages: take(input.advantages), weights: take(input.weights), oldLogp: take(input.oldLogp!) },
      ...{ importance: take(input.importance!), keep: flags(input.keep!), selected: flags(input.selected!) },
      kl: { ...input.kl!, refLogp: take(input.kl!.refLogp), coef: take(input.kl!.coef as Float32Array) },
      sampledLogp: take(input.sampledLogp!),
      sequences: Int32Array.of(0, ...ends),
    },
  }
}

test('every loss is here', () => expect(new Set(kinds)).toEqual(new Set(Object.keys(losses))))

describe.each(objectives.map((loss) => ({ name: title(loss), loss })))('$name', ({ loss }) => {
  const s = sample(loss, LENGTHS, 3)

  test.each(names)('the kernel computes what the twin says, with %s', (estimator) => {
    for (const biasCorrected of [false, true])
      for (const without of [
        [],
        ['oldLogp'],
        ['kl'],
        ['importance', 'keep', 'selected', 'offPolicyThreshold'],
      ] as const) {
        const input = { ...s.input, kl: { ...s.input.kl!, estimator, biasCorrected } }
        for (const column of without) Object.assign(input, { [column]: null })
        const [got, want] = [kernels.policyLoss(s.logp, input), policyLoss(s.logp, input)]
        for (const column of ['loss', 'dlogp', 'kl', 'clipped'] as const) {
          const scale = Math.max(1, ...want[column].map(Math.abs))
          const worst = Array.from(want[column]).reduce((m, w, i) => Math.max(m, Math.abs(got[column][i]! - w)), 0)
          expect([column, worst / scale]).toEqual([column, expect.closeTo(0, 6)])
        }
      }
  })

  test('the gradient equals central differences', () => {
    // The threshold of the off-policy mask is a step in logp.
    const input = { ...s.input, offPolicyThreshold: null, ...(detached.has(loss.kind) ? { oldLogp: null } : {}) }
    const { dlogp } = policyLoss(s.logp, input)
    const largest = Math.max(...dlogp.map(Math.abs))
    const h = 1e-6
    for (let i = 0; i < 12; i++) {
      const at = (d: number) => {
        const moved = Float64Array.from(s.logp)
        moved[i]! += d
        if (!detached.has(loss.kind)) return total(moved, input)
        // What is detached stays that of the undisturbed log-probs.
        const weight = policyLoss(s.logp, { ...input, kl: null }).dlogp[i]!
        const kl = policyLoss(moved, { ...input, advantages: input.advantages.map(() => 0) }).loss
        return weight * moved[i]! + totalOf(kl, input.weights)
      }
      const numeric = (at(h) - at(-h)) / (2 * h)
      expect(Math.abs(dlogp[i]! - numeric)).toBeLessThan(2e-6 * Math.max(1, largest))
    }
  })

  test('completions are independent, in any order and any split', () => {
    const whole = kernels.policyLoss(s.logp, s.input)
    const all = LENGTHS.map((_, b) => b)
    for (const order of [[...all].reverse(), [2, 0, 4, 1, 5, 3]]) {
      const part = completions(s, order)
      const got = kernels.policyLoss(part.logp, part.input)
      let at = 0
      for (const b of order)
        for (let i = s.input.sequences![b]!; i < s.input.sequences![b + 1]!; i++, at++)
          expect([got.loss[at], got.dlogp[at], got.kl[at]]).toEqual([whole.loss[i], whole.dlogp[i], whole.kl[i]])
    }
    for (const b of all) {
      const alone = completions(s, [b])
      const got = kernels.policyLoss(alone.logp, alone.input)
      expect([...got.dlogp]).toEqual([...whole.dlogp.slice(s.input.sequences![b], s.input.sequences![b + 1])])
    }
  })

  test('rows of weight 0 do nothing, whatever they hold', () => {
    const spoiled = sample(loss, LENGTHS, 3)
    for (const [i, w] of spoiled.input.weights.entries())
      if (w === 0) {
        spoiled.logp[i] = i % 2 ? Number.NaN : Number.NEGATIVE_INFINITY
        spoiled.input.oldLogp![i] = spoiled.input.advantages[i] = spoiled.input.importance![i] = Number.NaN
        spoiled.input.kl!.refLogp[i] = spoiled.input.sampledLogp![i] = Number.POSITIVE_INFINITY
      }
    const [got, want] = [kernels.policyLoss(spoiled.logp, spoiled.input), kernels.policyLoss(s.logp, s.input)]
    for (const column of ['loss', 'dlogp', 'kl', 'clipped'] as const) expect(got[column]).toEqual(want[column])
    for (const [i, w] of s.input.weights.entries())
      if (w === 0) expect([got.loss[i], got.dlogp[i], got.kl[i], got.clipped[i]]).toEqual([0, 0, 0, 0])
  })

  test('a batch that is all masked gives zeros', () => {
    const input = { ...s.input, weights: s.input.weights.map(() => 0) }
    for (const { loss: l, dlogp } of [kernels.policyLoss(s.logp, input), policyLoss(s.logp, input)]) {
      expect(l.every((v) => v === 0)).toBe(true)
      expect(dlogp.every((v) => v === 0)).toBe(true)
    }
  })

  test('ratios of exp(500) and exp(-500) stay finite', () => {
    for (const a of [1, -1, 0])
      for (const old of [0, -500, -1000]) {
        const input: PolicyLossInput = {
          ...{ loss, advantages: Float32Array.of(a, a), oldLogp: Float32Array.of(old, -500) },
          ...{ weights: Float32Array.of(1, 1), sequences: Int32Array.of(0, 2) },
          kl: { refLogp: Float32Array.of(old, 0), coef: 0.1, estimator: 'k3', biasCorrected: true },
        }
        const got = kernels.policyLoss(Float32Array.of(-500, -500), input)
        for (const column of [got.loss, got.dlogp, got.kl]) expect(column.every(Number.isFinite)).toBe(true)
      }
  })

  test('advantage 0 has no gradient but that of the KL term', () => {
    const input = { ...s.input, advantages: s.input.advantages.map(() => 0), kl: null, selected: null }
    expect(kernels.policyLoss(s.logp, input).dlogp.every((g) => g === 0)).toBe(true)
  })

  test('on-policy the gradient is -A x weight, with every ratio at 1', () => {
    const plain = { loss, advantages: s.input.advantages, weights: s.input.weights, oldLogp: null }
    const { dlogp } = kernels.policyLoss(s.logp, { ...plain, sequences: s.input.sequences! })
    if (losses[loss.kind].statistic && !detached.has(loss.kind)) {
      // Through the statistic every token of a completion gets its share of the completion's weight.
      const sum = (x: Float32Array) => x.slice(0, 5).reduce((a, b) => a + b, 0)
      const product = loss.kind === 'sequence-product' ? s.input.weights.slice(0, 5).filter((w) => w > 0).length : 1
      expect(sum(dlogp)).toBeCloseTo(-s.input.advantages[0]! * sum(s.input.weights) * product, 4)
    } else for (const [i, w] of s.input.weights.entries()) expect(dlogp[i]).toBeCloseTo(-w * s.input.advantages[i]!, 5)
  })
})

test('losses of whole completions ask for their offsets', () => {
  const { logp, input } = sample(objectives.find((o) => o.kind === 'gspo')!, [3])
  const without = { ...input, sequences: null }
  expect(() => kernels.policyLoss(logp, without)).toThrow(/policy_loss sequences: expected offsets/)
  expect(() => policyLoss(logp, without)).toThrow('expected sequences')
  expect(() => kernels.policyLoss(logp, { ...input, sequences: Int32Array.of(0, 2) })).toThrow('offsets from 0 to 3')
})

test('an unknown loss is refused with the known ones', () => {
  const { logp, input } = sample(objectives[0]!, [2])
  const loss = { kind: 'ppo' } as unknown as PolicyObjective
  expect(() => kernels.policyLoss(logp, { ...input, loss })).toThrow(/one of .*clip.*gspo.*vespo.* but received ppo/)
})

describe('KL estimators', () => {
  test('k3 is never negative, and zero only at equality', () => {
    for (const [a, b] of [
      [-1, -3],
      [-3, -1],
      [-0.5, -0.50001],
      [-30, 0],
    ] as const)
      expect(klEstimators.k3(a, b).value).toBeGreaterThan(0)
    expect(klEstimators.k3(-1, -1).value).toBe(0)
  })

  test.each(names)('the kernel of %s computes what the twin says', (name) => {
    const [logp, ref] = [Float32Array.of(-1, -0.5, -3, -30, 0), Float32Array.of(-1, -1.5, -1, 0, -25)]
    const { value, slope } = kernels.kl(logp, ref, name)
    for (const i of logp.keys()) {
      const want = klEstimators[name](logp[i]!, ref[i]!)
      expect(Math.abs(value[i]! - want.value)).toBeLessThanOrEqual(1e-6 * Math.max(1, Math.abs(want.value)))
      expect(Math.abs(slope[i]! - want.grad)).toBeLessThanOrEqual(1e-6 * Math.max(1, Math.abs(want.grad)))
    }
  })

  test('k3-k2 has the value of k3 and the gradient of k2', () => {
    expect(klEstimators['k3-k2'](-1, -1.7).value).toBe(klEstimators.k3(-1, -1.7).value)
    expect(klEstimators['k3-k2'](-1, -1.7).grad).toBe(klEstimators.k2(-1, -1.7).grad)
  })
})

test('identities between the names of different trainers', () => {
  const lengths = [4, 6]
  const run = (loss: PolicyObjective) => {
    const { logp, input } = sample(loss, lengths, 5, 1.2)
    return kernels.policyLoss(logp, input).dlogp
  }
  const same = (a: PolicyObjective, b: PolicyObjective) => expect([...run(a)]).toEqual([...run(b)])
  const clip = { clipLow: 0.2, clipHigh: 0.28, dualClip: null, ratioCap: null }
  same(
    { kind: 'cispo', bound: 'absolute', clipLow: 0, clipHigh: 5 },
    { kind: 'cispo', bound: 'relative', clipLow: 1, clipHigh: 4 },
  )
  same({ kind: 'clip', ...clip }, { kind: 'clip-cov', ...clip })
  same({ kind: 'gspo', ...clip }, { kind: 'luspo', ...clip })
  same({ kind: 'cispo', bound: 'absolute', clipLow: 1, clipHigh: 1 }, { kind: 'reinforce' })
  same({ kind: 'clip', ...clip, ratioCap: 1e9, dualClip: 1e9 }, { kind: 'clip', ...clip })
})
