/**
 * Replay buffer (TRL's GRPO with a replay buffer): the most informative completions of earlier steps take the place of
 * fresh ones without an advantage, likelier the larger their |advantage|.
 */
import { whole } from '../core/parameters.ts'
import { defineMethod, drawWeighted } from './define.ts'

export const replayBuffer = defineMethod({
  name: 'replay_buffer',
  about: 'Keeps the completions of the largest advantages and puts them where a step has none.',
  source: 'TRL, GRPO with replay buffer',
  parameters: { capacity: whole(64, 'Completions kept.', 1, 1e6) },
  create: ({ capacity }) => ({
    replay: {
      capacity,
      keeps: 'largest',
      choose(fresh, kept, stage) {
        const weights = kept.map(({ advantage }) => Math.abs(advantage))
        const empty = fresh.filter(({ advantage }) => advantage === 0).length
        const taken = drawWeighted(weights, empty, stage.random(1)).map((i) => fresh.length + i)
        const own = fresh.flatMap(({ advantage }, i) => (advantage !== 0 ? i : []))
        return [...own, ...taken]
      },
    },
  }),
})
