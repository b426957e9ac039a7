/** Inputs that the suites of the losses share: constants of every loss, and random columns of ragged completions. */
import type { losses } from '../../src/algorithms/index.ts'
import type { PolicyLossInput, PolicyObjective } from '../../src/native/types.ts'
import { randomSource } from '../harness/random.ts'

const bounds = { clipLow: 0.2, clipHigh: 0.28, dualClip: null, ratioCap: null }

/** Every loss once; some with a second set of constants. */
export const objectives: PolicyObjective[] = [
  { kind: 'clip', ...bounds },
  { kind: 'clip', ...bounds, dualClip: 3, ratioCap: 1.6 },
  { kind: 'clip-cov', ...bounds },
  { kind: 'kl-cov', covCoef: 0.3 },
  { kind: 'gspo', ...bounds, clipLow: 0.02, clipHigh: 0.03 },
  { kind: 'gspo', ...bounds },
  { kind: 'gspo-token', ...bounds },
  { kind: 'sequence-product', ...bounds },
  { kind: 'luspo', ...bounds },
  { kind: 'cispo', bound: 'absolute', clipLow: 0, clipHigh: 1.3 },
  { kind: 'cispo', bound: 'relative', clipLow: 0.2, clipHigh: 0.3 },
  { kind: 'reinforce' },
  { kind: 'sapo', tauPositive: 1, tauNegative: 1.05 },
  { kind: 'gmpo', clipLow: 0.3, clipHigh: 0.4 },
  { kind: 'vespo', kPositive: 2, lambdaPositive: 3, kNegative: 3, lambdaNegative: 2 },
]

export const kinds = [...new Set(objectives.map((o) => o.kind))] satisfies (keyof typeof losses)[]

/** Names a set of constants in test titles. */
export const title = (loss: PolicyObjective) =>
  `${loss.kind} ${Object.entries(loss).flatMap(([k, v]) => (k === 'kind' || v === null ? [] : [`${k}=${v}`]))}`

export interface Sample {
  logp: Float32Array
  input: PolicyLossInput
}

/** Completions of the given lengths with everything on: masked rows, KL, importance, masks. */
export function sample(loss: PolicyObjective, lengths: number[], seed = 1, spread = 0.3): Sample {
  const { next } = randomSource(seed)
  const n = lengths.reduce((a, b) => a + b, 0)
  const column = (value: () => number) => Float32Array.from({ length: n }, value)
  const normal = () => next() + next() + next() - 1.5
  const logp = column(() => -3 * next())
  const sequences = Int32Array.of(0, ...lengths.map((_, b) => lengths.slice(0, b + 1).reduce((a, c) => a + c, 0)))
  const perCompletion = lengths.map(() => 2 * normal())
  const owner = Array.from({ length: n }, (_, i) => sequences.findIndex((end) => end > i) - 1)
  return {
    logp,
    input: {
      loss,
      advantages: Float32Array.from(owner, (b) => perCompletion[b]!),
      oldLogp: logp.map((l) => l + 2 * spread * normal()),
      weights: column(() => (next() < 0.15 ? 0 : next() + 0.1)),
      kl: {
        refLogp: logp.map((l) => l + normal()),
        coef: column(() => 0.1 * next()),
        estimator: 'k3',
        biasCorrected: false,
      },
      importance: column(() => 0.5 + next()),
      keep: Uint8Array.from({ length: n }, () => (next() < 0.2 ? 0 : 1)),
      selected: Uint8Array.from({ length: n }, () => (next() < 0.3 ? 1 : 0)),
      ...{ sampledLogp: logp.map((l) => l + 0.4 * normal()), offPolicyThreshold: 0.02 },
      sequences,
    },
  }
}

/** sum of weight x loss */
export const totalOf = (loss: ArrayLike<number>, weights: ArrayLike<number>) =>
  Array.from(loss).reduce((sum, l, i) => sum + (weights[i] === 0 ? 0 : l * weights[i]!), 0)
