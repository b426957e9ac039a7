/**
 * Forced rethinking (VL-Rethinker, Wang et al. 2025, arXiv 2504.08837): some finished completions get a sentence that
 * makes the policy think again, and go on from there. A continued completion takes the place of its origin when its
 * answer is right and the addition is neither short nor long; its trigger is trained on like any other token.
 *
 *   half of them are first cut before the last of: Wait, \boxed, answer, a line end
 *   trigger: half the time T0 or T1 (0.4 : 0.6); else T2 after a right answer, T3 after a wrong one
 */
import { decimal, text, whole } from '../core/parameters.ts'
import type { Random } from '../core/random.ts'
import { defineMethod, type Sample } from './define.ts'

export const triggers = [
  '\n\nWait',
  '\n\nWait, does it seem right?',
  "\n\nWait, let's double check",
  '\n\nWait, there might be a mistake',
] as const

/** The trigger for a completion that was right or wrong. */
export function pickTrigger(right: boolean, random: Random): string {
  if (random.unit() < 0.5) return triggers[random.unit() < 0.4 ? 0 : 1]
  return triggers[right ? 2 : 3]
}

/** Characters before the last place where a thought could have turned; the whole text without one. */
export function cutPlace(completion: string): number {
  const places = ['Wait', '\\boxed', 'answer', '\n'].map((mark) => completion.lastIndexOf(mark))
  const last = Math.max(...places)
  return last > 0 ? last : completion.length
}

/** Occurrences of "wait", in any case. */
export const countWaits = (completion: string): number => completion.toLowerCase().split('wait').length - 1

export const forcedRethinking = defineMethod({
  name: 'forced_rethinking',
  about: 'Makes the policy think again after some answers and keeps the continuations that end right.',
  source: 'VL-Rethinker, Wang et al. 2025, arXiv 2504.08837',
  parameters: {
    reward: text('accuracy', 'The reward that says what is right (1).'),
    share: decimal(0.65, 'Share of the finished completions that are made to think again.', 0, 1),
    perGroup: whole(2, 'Continuations tried per group.', 0, 1000),
    room: whole(1024, 'Tokens that must be left below the length limit.', 0, 1e6),
    shortest: whole(30, 'An addition of this many tokens or fewer is not kept.', 0, 1e6),
    longest: whole(1024, 'An addition of this many tokens or more is not kept.', 1, 1e6),
    waits: whole(4, 'A completion that says "wait" more often is not kept.', 0, 1000),
    imitation: decimal(
      0.05,
      'Weight of the loss -log p on continuations that ended right and have an advantage.',
      0,
      10,
    ),
  },
  create: ({ reward, share, perGroup, room, shortest, longest, waits, imitation }) => ({
    continueRollout: {
      choose: (groups, stage) =>
        groups.flatMap(({ samples }, group) => {
          const random = stage.random(2, group)
          const eligible = samples.flatMap((sample, i) => (isEligible(sample, stage.maxNewTokens - room) ? i : []))
          const chosen = eligible.filter(() => random.unit() < share).slice(0, perGroup)
          return chosen.map((sample) => {
            const { text: completion, parts } = samples[sample]!
            const keepCharacters = random.unit() < 0.5 ? cutPlace(completion) : completion.length
            return { group, sample, keepCharacters, trigger: pickTrigger(parts[reward] === 1, random) }
          })
        }),
      accepts: (_, after, added) =>
        after.parts[reward] === 1 && added > shortest && added < longest && countWaits(after.text) <= waits,
    },
    imitate: (groups) =>
      groups.map(({ samples }) =>
        samples.map(({ continued, parts }) => (continued && (parts[reward] ?? 0) > 0.99 ? imitation : 0)),
      ),
  }),
})

const isEligible = ({ finish, tokens }: Sample, longest: number) => finish === 'eos' && tokens <= longest
