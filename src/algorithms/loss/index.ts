/** Every policy loss under the name that `algorithm.loss.kind` knows. */
import type { PolicyObjective } from '../../native/types.ts'
import { cispo } from './cispo.ts'
import { clip, clipCov } from './clip.ts'
import type { CompletionSummary, Loss } from './define.ts'
import { gmpo } from './gmpo.ts'
import { klCov } from './kl_cov.ts'
import { reinforce } from './reinforce.ts'
import { sapo } from './sapo.ts'
import { gspo, gspoToken, luspo, sequenceProduct } from './sequence_clip.ts'
import { vespo } from './vespo.ts'

export const losses = {
  clip,
  'clip-cov': clipCov,
  'kl-cov': klCov,
  gspo,
  'gspo-token': gspoToken,
  'sequence-product': sequenceProduct,
  cispo,
  reinforce,
  sapo,
  gmpo,
  vespo,
  luspo,
} as const

/** What only this loss reports of a step. */
export function lossMetrics(
  completions: readonly CompletionSummary[],
  objective: PolicyObjective,
): Record<string, number> {
  const loss = losses[objective.kind] as Loss
  return loss.metrics?.(completions, objective) ?? {}
}
