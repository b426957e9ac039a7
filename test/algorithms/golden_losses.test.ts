/** Every case that TRL computed: the twin to 1e-12, the kernel to 1e-6 of the value and 1e-5 of the gradient. */
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import {
  type Aggregation,
  aggregationWeights,
  type CompletionSummary,
  losses,
  lossMetrics,
  policyLoss,
} from '../../src/algorithms/index.ts'
import * as kernels from '../../src/native/kernels.ts'
import type { PolicyLossInput, PolicyObjective } from '../../src/native/types.ts'

interface Case {
  name: string
  options: { beta: number; epsilon_low: number; epsilon_high: number; max_completion_length: number }
  inputs: {
    logps: number[][]
    old_logps?: number[][]
    ref_logps: number[][]
    mask: number[][]
    advantages: number[]
    num_items_in_batch: number
  }
  expected: { loss: number; grad_logps: number[][]; metrics: Record<string, number | string> }
}
const { cases } = JSON.parse(readFileSync(new URL('../fixtures/rl/losses.json', import.meta.url), 'utf8')) as {
  cases: Case[]
}

const kinds: Record<string, [PolicyObjective['kind'], Aggregation]> = {
  grpo: ['clip', 'sequence-mean'],
  bnpo: ['clip', 'micro-batch-token-mean'],
  dr_grpo: ['clip', 'fixed-length'],
  dapo: ['clip', 'rollout-token-mean'],
  cispo: ['cispo', 'rollout-token-mean'],
  sapo: ['sapo', 'sequence-mean'],
  vespo: ['vespo', 'rollout-token-mean'],
  gspo: ['gspo', 'sequence-mean'],
  luspo: ['luspo', 'sequence-sum'],
  gspo_token: ['gspo-token', 'sequence-mean'],
  gmpo: ['gmpo', 'sequence-mean'],
  rloo: ['sequence-product', 'sequence-mean'],
}

function objective(kind: PolicyObjective['kind'], { options }: Case): PolicyObjective {
  const clip = { clipLow: options.epsilon_low, clipHigh: options.epsilon_high }
  if (kind === 'cispo') return { kind, bound: 'absolute', clipLow: 0, clipHigh: clip.clipHigh }
  if (kind === 'gmpo') return { kind, ...clip }
  if (kind === 'sapo') return { kind, tauPositive: 1, tauNegative: 1.05 }
  if (kind === 'vespo') return { kind, kPositive: 2, lambdaPositive: 3, kNegative: 3, lambdaNegative: 2 }
  return { kind, ...clip, dualClip: null, ratioCap: null } as PolicyObjective
}

/** Padded rows -> columns; masked rows keep weight 0. */
function columns(c: Case) {
  const { options, inputs } = c
  const [kind, mode] = kinds[c.name.split('/')[0]!]!
  const lengths = inputs.mask.map((row) => row.reduce((a, b) => a + b, 0))
  const rollout = { tokens: inputs.num_items_in_batch, miniBatches: 1 }
  const weight = aggregationWeights(lengths, { mode, fixedLength: options.max_completion_length, rollout })
  const width = inputs.mask[0]!.length
  return {
    logp: inputs.logps.flat(),
    input: {
      loss: objective(kind, c),
      advantages: inputs.advantages.flatMap((a) => new Array<number>(width).fill(a)),
      oldLogp: inputs.old_logps?.flat() ?? null,
      kl:
        options.beta > 0
          ? { refLogp: inputs.ref_logps.flat(), coef: options.beta, estimator: 'k3' as const, biasCorrected: false }
          : null,
      weights: inputs.mask.flatMap((row, b) => row.map((m) => m * weight[b]!)),
      sequences: lengths.map((_, b) => b * width).concat(width * lengths.length),
    },
  }
}

type Columns = ReturnType<typeof columns>['input']
const f32 = (x: number[] | null) => (x === null ? null : Float32Array.from(x))
const single = (c: Columns): PolicyLossInput => ({
  ...c,
  advantages: f32(c.advantages)!,
  weights: f32(c.weights)!,
  oldLogp: f32(c.oldLogp),
  kl: c.kl && { ...c.kl, refLogp: f32(c.kl.refLogp)! },
  sequences: Int32Array.from(c.sequences),
})

function check(c: Case, got: { loss: ArrayLike<number>; dlogp: ArrayLike<number> }, value: number, gradient: number) {
  const { input } = columns(c)
  const total = Array.from(got.loss).reduce((sum, l, i) => sum + l * input.weights[i]!, 0)
  expect(Math.abs(total - c.expected.loss)).toBeLessThanOrEqual(value * Math.max(1e-3, Math.abs(c.expected.loss)))
  const want = c.expected.grad_logps.flat()
  const largest = Math.max(...want.map(Math.abs))
  for (const [i, g] of want.entries()) expect(Math.abs(got.dlogp[i]! - g)).toBeLessThanOrEqual(gradient * largest)
}

/** What the trainer would know of each completion. */
function summaries(c: Case): CompletionSummary[] {
  const { logp, input } = columns(c)
  const { clipped } = policyLoss(logp, input)
  return c.inputs.advantages.map((advantage, b) => {
    const rows = Array.from(
      { length: input.sequences[b + 1]! - input.sequences[b]! },
      (_, i) => i + input.sequences[b]!,
    ).filter((i) => input.weights[i]! > 0)
    const at = (side: number) => rows.filter((i) => clipped[i] === side).length
    const logRatio = rows.reduce((sum, i) => sum + (input.oldLogp ? logp[i]! - input.oldLogp[i]! : 0), 0)
    return { tokens: rows.length, advantage, logRatio, logImportance: 0, low: at(1), high: at(2) }
  })
}

test('36 cases, which are all losses of TRL', () => {
  expect(cases).toHaveLength(36)
  expect(new Set(cases.map((c) => c.name.split('/')[0]))).toEqual(new Set(Object.keys(kinds)))
  for (const [kind] of Object.values(kinds)) expect(losses[kind].kind).toBe(kind)
})

describe.each(cases)('$name', (c) => {
  const { logp, input } = columns(c)
  test('the twin', () => check(c, policyLoss(logp, input), 1e-12, 1e-12))
  test('the kernel', () => check(c, kernels.policyLoss(Float32Array.from(logp), single(input)), 1e-6, 1e-5))
  test('metrics', () => {
    const got = policyLoss(logp, input)
    const rows = input.weights.flatMap((w, i) => (w > 0 ? [i] : []))
    const { metrics } = c.expected
    if (metrics.kl !== undefined)
      expect(rows.reduce((sum, i) => sum + got.kl[i]!, 0) / rows.length).toBeCloseTo(metrics.kl as number, 12)
    for (const name of ['cispo_clip_ratio', 'vespo/phi_seq_mean'])
      expect([name, lossMetrics(summaries(c), input.loss)[name]]).toEqual([
        name,
        metrics[name] === undefined ? undefined : expect.closeTo(metrics[name] as number, 12),
      ])
    if (metrics['clip_ratio/low_mean'] === undefined || losses[input.loss.kind].statistic) return
    const share = (side: number) => rows.filter((i) => got.clipped[i] === side).length / rows.length
    expect(share(1)).toBeCloseTo(metrics['clip_ratio/low_mean'] as number, 12)
    expect(share(2)).toBeCloseTo(metrics['clip_ratio/high_mean'] as number, 12)
  })
})
