/** Every policy loss under the name that `algorithm.loss.kind` knows. */
import { cispo } from './cispo.ts'
import { clip, clipCov } from './clip.ts'
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
