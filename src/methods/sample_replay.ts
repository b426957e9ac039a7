/**
 * Selective sample replay (VL-Rethinker, Wang et al. 2025, arXiv 2504.08837), the paper's form: completions without an
 * advantage are dropped; the batch is filled up from all that have one, fresh and kept, with probability |A|^alpha.
 *
 * (The released code keeps another rule behind a switch that its own trainer never sets; this is the paper's.)
 */
import { decimal, whole } from '../core/parameters.ts'
import { defineMethod, drawWeighted } from './define.ts'

export const sampleReplay = defineMethod({
  name: 'sample_replay',
  about: 'Fills the place of completions without an advantage with earlier ones that have a large one.',
  source: 'VL-Rethinker (SSR), Wang et al. 2025, arXiv 2504.08837',
  parameters: {
    alpha: decimal(1, 'Exponent of |advantage| in the probability of a completion.', 0, 10),
    capacity: whole(512, 'Completions kept from earlier steps.', 1, 1e6),
  },
  create: ({ alpha, capacity }) => ({
    replay: {
      capacity,
      choose(fresh, kept, stage) {
        const all = [...fresh, ...kept]
        const own = fresh.flatMap(({ advantage }, i) => (advantage !== 0 ? i : []))
        const weights = all.map(({ advantage }) => Math.abs(advantage) ** alpha * (advantage !== 0 ? 1 : 0))
        return [...own, ...drawWeighted(weights, fresh.length - own.length, stage.random(1))]
      },
    },
  }),
})
