/**
 * T-GRPO (Video-R1, Feng et al. 2025, arXiv 2503.21776): half as many completions again are sampled from the frames in a
 * random order. Where order helps, right answers to the ordered frames earn more; moderate length earns more too.
 *
 *   mean accuracy(ordered) >= 0.8 mean accuracy(shuffled): +0.3 for each ordered completion of accuracy above 0.1
 *   of those, when more than one: +0.2 for 320 to 512 tokens
 */
import { decimal, text, whole } from '../core/parameters.ts'
import { defineMethod, meanOf, type Sample } from './define.ts'

const right = ({ parts }: Sample, reward: string) => (parts[reward] ?? 0) > 0.1

/** Addition per completion for the ordered half being at least `ratio` as accurate as the shuffled one. */
export function temporalBonus(samples: readonly Sample[], reward: string, ratio: number, bonus: number): number[] {
  const accuracy = (tag: string) => meanOf(samples.filter((s) => s.tag === tag).map(({ parts }) => parts[reward]))
  const [ordered, shuffled] = [accuracy('ordered'), accuracy('shuffled')]
  const helps = ordered >= ratio * shuffled
  return samples.map((sample) => (helps && sample.tag === 'ordered' && right(sample, reward) ? bonus : 0))
}

/** Addition per right ordered completion of a length in [shortest, longest], when there is more than one right. */
export function lengthBonus(
  samples: readonly Sample[],
  reward: string,
  shortest: number,
  longest: number,
  bonus: number,
): number[] {
  const isRight = (sample: Sample) => sample.tag !== 'shuffled' && right(sample, reward)
  const several = samples.filter(isRight).length > 1
  return samples.map((sample) =>
    several && isRight(sample) && sample.tokens >= shortest && sample.tokens <= longest ? bonus : 0,
  )
}

export const temporalContrast = defineMethod({
  name: 'temporal_contrast',
  about: 'Rewards right answers to ordered frames when order makes the policy more accurate than shuffled frames do.',
  source: 'Video-R1 (T-GRPO), Feng et al. 2025, arXiv 2503.21776',
  parameters: {
    reward: text('accuracy', 'The reward that says what is right.'),
    ratio: decimal(0.8, 'Ordered accuracy must be at least this part of the shuffled one.', 0, 10),
    bonus: decimal(0.3, 'Addition for right answers to ordered frames.'),
    lengthReward: decimal(0.2, 'Addition for right answers of moderate length.'),
    shortest: whole(320, 'Tokens of the shortest such answer.'),
    longest: whole(512, 'Tokens of the longest such answer.'),
  },
  create: ({ reward, ratio, bonus, lengthReward, shortest, longest }) => ({
    shapeReward: (groups) =>
      groups.map(({ samples }) => {
        const temporal = temporalBonus(samples, reward, ratio, bonus)
        const length = lengthBonus(samples, reward, shortest, longest, lengthReward)
        return temporal.map((value, i) => value + length[i]!)
      }),
  }),
})
