/** Every rule that compares completions of one prompt, under the name that `algorithm.advantage.kind` knows. */
import { gpg } from './gpg.ts'
import { group } from './group.ts'
import { opo } from './opo.ts'
import { passAtK } from './pass_at_k.ts'
import { remax } from './remax.ts'
import { rloo } from './rloo.ts'

export const groupRules = { group, rloo, opo, gpg, 'pass-at-k': passAtK, remax } as const
