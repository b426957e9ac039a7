/**
 * Accuracy filter (MM-Eureka, Meng et al. 2025, arXiv 2503.07365): groups that are nearly always right or nearly always
 * wrong are not trained on. With `adora` groups whose right answers are no longer than their wrong ones count less (ADORA).
 */
import { decimal, flag, text, whole } from '../core/parameters.ts'
import { defineMethod, meanOf, partsOf, type SampleGroup } from './define.ts'

/** `factor` when the longest right completion is no longer than the mean finished wrong one, else 1. */
export function adoraWeight({ samples }: SampleGroup, reward: string, factor: number): number {
  const right = samples.filter(({ parts }) => parts[reward] === 1).map(({ tokens }) => tokens)
  const wrong = samples.filter(({ parts, finish }) => parts[reward] !== 1 && finish !== 'length').map((s) => s.tokens)
  if (right.length === 0 || wrong.length === 0) return 1
  return Math.max(...right) <= meanOf(wrong) ? factor : 1
}

export const accuracyFilter = defineMethod({
  name: 'accuracy_filter',
  about: 'Trains on groups of middling accuracy only.',
  source: 'MM-Eureka, Meng et al. 2025, arXiv 2503.07365',
  parameters: {
    reward: text('accuracy', 'The reward that says what is right.'),
    low: decimal(0.1, 'Smallest mean that is kept.'),
    high: decimal(0.9, 'Largest mean that is kept.'),
    after: whole(0, 'Steps before the filter begins.'),
    adora: flag(false, 'Weigh down groups whose right answers are no longer than their wrong ones.'),
    factor: decimal(0.1, 'That weight.', 0, 1),
  },
  create: ({ reward, low, high, after, adora, factor }) => ({
    filterGroups: (groups, { step }) =>
      groups.map((group) => {
        const mean = meanOf(partsOf(group, reward))
        return step < after || (mean >= low && mean <= high)
      }),
    ...(adora ? { weigh: (groups) => groups.map((group) => adoraWeight(group, reward, factor)) } : {}),
  }),
})
