/**
 * A policy loss with everything around its formula, in TRL's order:
 *
 *   base  = formula(ratio, A, ..) x off-policy mask x keep x importance
 *   loss  = base + coef kl(ref - logp) [x ratio, when bias-corrected]      no mask and no weight touches the KL term
 *   total = sum_i weight_i loss_i
 *
 * Losses of whole completions first reduce each completion to a statistic, and their gradient runs through it:
 *
 *   dtotal/dlogp_t = weight_t slope_t + (sum_s weight_s through_s) dstatistic/dlogp_t
 *
 * The readable twin of the native kernel of the same name.
 */
import type { PolicyLossInput, PolicyObjective } from '../../native/types.ts'
import { klEstimators } from '../kl/index.ts'
import { clamp, type Loss, MAX_LOG_RATIO, type Row, type Token } from './define.ts'
import { losses } from './index.ts'

/** The native kernel's record, with columns of any number type. */
export type PolicyLossColumns = Loosened<PolicyLossInput>
type Loosened<T> = T extends Float32Array | Uint8Array | Int32Array
  ? ArrayLike<number>
  : T extends object
    ? { [K in keyof T]: Loosened<T[K]> }
    : T

export interface PolicyLossColumnsOut {
  /** (N) unweighted loss, KL term included. */
  loss: Float64Array
  /** (N) d(total)/d(logp). */
  dlogp: Float64Array
  /** (N) the estimate against the reference, 0 without one. */
  kl: Float64Array
  /** (N) see `PolicyLossOutput`. */
  clipped: Uint8Array
}

/** See the formulas above. A row of weight 0 contributes nothing, whatever its other columns hold. */
export function policyLoss(logp: ArrayLike<number>, input: PolicyLossColumns): PolicyLossColumnsOut {
  const n = logp.length
  const out = {
    loss: new Float64Array(n),
    dlogp: new Float64Array(n),
    kl: new Float64Array(n),
    clipped: new Uint8Array(n),
  }
  const loss = losses[input.loss.kind] as Loss
  const needsSequences = loss.statistic !== null || typeof input.offPolicyThreshold === 'number'
  const offsets = needsSequences ? input.sequences : [0, n]
  if (!offsets) throw new RangeError(`policyLoss: expected sequences beside ${input.loss.kind} but received none`)
  for (let b = 0; b + 1 < offsets.length; b++) {
    const rows: number[] = []
    for (let i = offsets[b]!; i < offsets[b + 1]!; i++) if (input.weights[i] !== 0) rows.push(i)
    completion(loss, logp, input, rows, out)
  }
  return out
}

/** Rows that share a statistic and an off-policy mask. */
function completion(
  loss: Loss,
  logp: ArrayLike<number>,
  input: PolicyLossColumns,
  rows: readonly number[],
  out: PolicyLossColumnsOut,
): void {
  const kept = keepsNegative(logp, input, rows)
  const share = loss.statistic === 'mean' ? 1 / rows.length : 1
  const tokens = rows.map((i) => tokenAt(logp, input, i))
  const parts = loss.part ? tokens.map((t) => loss.part!(t, input.loss)) : null
  const statistic = (parts ?? []).reduce((sum, { value }) => sum + value, 0) * share
  const scaled = tokens.map((t, k) => {
    const factor = factorAt(loss, input, rows[k]!, kept)
    return scale(loss.row(t, input.loss as PolicyObjective, statistic), factor)
  })
  const through = scaled.reduce((sum, row, k) => sum + input.weights[rows[k]!]! * row.through, 0)
  for (const [k, i] of rows.entries()) {
    const kl = klTerm(tokens[k]!, input, i)
    out.kl[i] = kl.value
    out.loss[i] = scaled[k]!.loss + kl.coef * kl.value
    out.dlogp[i] =
      input.weights[i]! * (scaled[k]!.slope + kl.coef * kl.grad) + through * (parts ? parts[k]!.slope * share : 0)
    out.clipped[i] = scaled[k]!.clipped
  }
}

function tokenAt(logp: ArrayLike<number>, input: PolicyLossColumns, i: number): Token {
  const raw = input.oldLogp ? logp[i]! - input.oldLogp[i]! : 0
  const delta = clamp(raw, -MAX_LOG_RATIO, MAX_LOG_RATIO)
  return {
    logp: logp[i]!,
    advantage: input.advantages[i]!,
    delta,
    ratio: Math.exp(delta),
    live: Math.abs(raw) > MAX_LOG_RATIO ? 0 : 1,
    importance: input.importance ? input.importance[i]! : 1,
    selected: input.selected?.[i] ? 1 : 0,
  }
}

/** Whether a completion of negative advantage keeps its loss (DeepSeek-V3.2). NaN log-probs say nothing. */
function keepsNegative(logp: ArrayLike<number>, input: PolicyLossColumns, rows: readonly number[]): number {
  const { sampledLogp, offPolicyThreshold } = input
  if (typeof offPolicyThreshold !== 'number') return 1
  if (!sampledLogp) throw new RangeError('policyLoss: expected sampledLogp beside offPolicyThreshold but received none')
  const sum = rows.reduce((total, i) => total + (sampledLogp[i]! - logp[i]! || 0), 0)
  return sum <= offPolicyThreshold * rows.length ? 1 : 0
}

function factorAt(loss: Loss, input: PolicyLossColumns, i: number, kept: number): number {
  const mask = (input.advantages[i]! >= 0 ? 1 : kept) * (input.keep && !input.keep[i] ? 0 : 1)
  return loss.takesImportance || !input.importance ? mask : mask * input.importance[i]!
}

/** A dropped token is dropped even where its loss is not finite. */
function scale(row: Row, factor: number): Row {
  if (factor === 0) return { loss: 0, slope: 0, through: 0, clipped: row.clipped }
  return { ...row, loss: factor * row.loss, slope: factor * row.slope, through: factor * row.through }
}

function klTerm(token: Token, { kl }: PolicyLossColumns, i: number): { value: number; grad: number; coef: number } {
  if (!kl) return { value: 0, grad: 0, coef: 0 }
  const coef = typeof kl.coef === 'number' ? kl.coef : kl.coef[i]!
  const { value, grad } = klEstimators[kl.estimator](token.logp, kl.refLogp[i]!)
  if (!kl.biasCorrected) return { value, grad, coef }
  return { value: token.ratio * value, grad: token.ratio * (grad + token.live * value), coef }
}
