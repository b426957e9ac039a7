/**
 * FAST, fast-slow thinking (Xiao et al. 2025, arXiv 2504.18458): questions that are hard and whose images are complex may be
 * thought about at length, the others should not.
 *
 *   complexity = (rank of the image's complexity - 1) / (n - 1), ties averaged      difficulty = (1 - pass rate) complexity
 *   hard       = difficulty above the 80th percentile of the batch                  L = length in characters
 *   score      right and not hard: 1 - L / mean L, for the first 80 % of those      wrong and hard: min(L / mean L - 1, 1)
 *
 * The filter keeps groups of mean accuracy in (0.3, 0.99) in the first half of the run, (0.01, 0.7) in the second.
 */
import { decimal, text } from '../core/parameters.ts'
import { defineMethod, meanOf, partsOf, type SampleGroup } from './define.ts'

/** Ranks from 0 to 1, equal values sharing their mean rank; all equal: 0.5. */
export function relativeRanks(values: readonly number[]): number[] {
  const n = values.length
  if (n < 2) return values.map(() => 0.5)
  return values.map((value) => {
    const below = values.filter((other) => other < value).length
    const equal = values.filter((other) => other === value).length
    return (below + (equal - 1) / 2) / (n - 1)
  })
}

/** The value below which a share `q` of the values lies, linear between neighbours. */
export function percentile(values: readonly number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  const place = q * (sorted.length - 1)
  const low = Math.floor(place)
  return sorted[low]! + (place - low) * ((sorted[low + 1] ?? sorted[low]!) - sorted[low]!)
}

/** Which groups are hard. `complexities`: one number per group, any scale. */
export function hardGroups(passRates: readonly number[], complexities: readonly number[]): boolean[] {
  const ranks = relativeRanks(complexities)
  const difficulties = passRates.map((rate, i) => (1 - rate) * ranks[i]!)
  const limit = percentile(difficulties, 0.8)
  return difficulties.map((difficulty) => difficulty > limit)
}

/** Additions to the rewards, per completion. */
export function lengthScores(groups: readonly SampleGroup[], hard: readonly boolean[], reward: string): number[][] {
  const mean = meanOf(groups.flatMap(({ samples }) => samples.map(({ text: t }) => t.length)))
  const rightAndEasy = (g: number, i: number) => !hard[g] && groups[g]!.samples[i]!.parts[reward] === 1
  const total = groups.flatMap(({ samples }, g) => samples.filter((_, i) => rightAndEasy(g, i))).length
  let budget = Math.ceil(0.8 * total)
  return groups.map(({ samples }, g) =>
    samples.map(({ text: t, parts }, i) => {
      if (rightAndEasy(g, i)) return budget-- > 0 ? 1 - t.length / mean : 0
      return hard[g] && parts[reward] === 0 ? Math.min(t.length / mean - 1, 1) : 0
    }),
  )
}

export const fastSlow = defineMethod({
  name: 'fast_slow',
  about: 'Rewards short right answers to easy questions and length on hard ones; keeps questions of middling accuracy.',
  source: 'FAST, Xiao et al. 2025, arXiv 2504.18458',
  parameters: {
    reward: text('accuracy', 'The reward that says what is right (1) and wrong (0).'),
    complexity: text('image_complexity', 'Column with the complexity of the image; absent: all alike.'),
    weight: decimal(0.5, 'Factor of the length score.'),
  },
  create: ({ reward, complexity, weight }) => ({
    shapeReward(groups) {
      const rates = groups.map((group) => meanOf(partsOf(group, reward)))
      const complexities = groups.map(({ row }) => Number(row.columns[complexity] ?? 0) || 0)
      return lengthScores(groups, hardGroups(rates, complexities), reward).map((row) => row.map((s) => weight * s))
    },
    filterGroups(groups, { step, steps }) {
      const [low, high] = step < steps / 2 ? [0.3, 0.99] : [0.01, 0.7]
      return groups.map((group) => {
        const mean = meanOf(partsOf(group, reward))
        return mean > low && mean < high
      })
    },
  }),
})
