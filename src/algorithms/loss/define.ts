/**
 * What a policy loss is: a formula per token, and for losses of whole completions the statistic that its tokens share.
 * `policyLoss` (policy_loss.ts) does everything around it; native/ops/policy_loss has the same division.
 */
import type { PolicyObjective } from '../../native/types.ts'

/** Log-ratios are limited to this before `exp`: beyond it a token says nothing but "very different". */
export const MAX_LOG_RATIO = 20

export const clamp = (x: number, low: number, high: number) => Math.min(Math.max(x, low), high)

export interface Token {
  logp: number
  advantage: number
  /** clamp(logp - old, -20, 20); 0 on-policy. */
  delta: number
  /** exp(delta) */
  ratio: number
  /** d delta / d logp: 0 where the clamp acts, else 1. */
  live: number
  /** Weight against the sampler; 1 without one. */
  importance: number
  /** 1 for tokens that a covariance rule chose. */
  selected: number
}

export interface Row {
  loss: number
  /** d loss / d logp through the token's own log-prob. */
  slope: number
  /** d loss / d statistic of its completion. */
  through: number
  /** 0 no, 1 at the low bound, 2 at the high bound, 3 at the dual bound or the cap. */
  clipped: number
}

/** What an update knows of one completion, for metrics. */
export interface CompletionSummary {
  /** Trained or not. */
  tokens: number
  advantage: number
  /** Sums over its trained tokens: of delta (0 on-policy), and of log importance weights (0 without). */
  logRatio: number
  logImportance: number
  /** Tokens clipped at that bound. */
  low: number
  high: number
}

export type Options<K extends PolicyObjective['kind']> = Extract<PolicyObjective, { kind: K }>

export interface Loss<K extends PolicyObjective['kind'] = PolicyObjective['kind']> {
  readonly kind: K
  /** Paper and the names that other trainers have for it. */
  readonly source: string
  /** How the parts of a completion's tokens become its statistic; `null` = tokens stand alone. */
  readonly statistic: 'mean' | 'sum' | null
  /** The importance weight enters the statistic instead of multiplying the loss. */
  readonly takesImportance?: boolean
  /** What a token adds to the statistic, and the derivative by its log-prob. */
  part?(token: Token, options: Options<K>): { value: number; slope: number }
  row(token: Token, options: Options<K>, statistic: number): Row
  /** What only this loss reports of a step, over the completions of all its updates. */
  metrics?(completions: readonly CompletionSummary[], options: Options<K>): Record<string, number>
}

export const defineLoss = <K extends PolicyObjective['kind']>(loss: Loss<K>): Loss<K> => loss
