/**
 * Consistency (Embodied-R, Zhao et al. 2025, arXiv 2504.12680): a right answer earns more when a frozen model that sees only
 * the reasoning comes to the same answer, so that the reasoning is what carries it.
 *
 *   total = 0.7 accuracy + 0.1 format + 0.2 consistency
 */
export const consistencyWeights = { accuracy: 0.7, format: 0.1, consistency: 0.2 } as const

/** The text between the first <think> and the last </think>; null without both. */
export function reasoningOf(completion: string): string | null {
  const [begin, end] = [completion.indexOf('<think>'), completion.lastIndexOf('</think>')]
  return begin === -1 || end <= begin ? null : completion.slice(begin + '<think>'.length, end).trim()
}

/** What the frozen model is asked. */
export const consistencyQuestion = (question: string, reasoning: string): string =>
  `${question}\nReasoning: ${reasoning}\nAnswer with the conclusion of this reasoning inside <answer> </answer>.`

/** 1 when the answer is right and the frozen model's answer judges alike, else 0. */
export const consistencyScore = (right: boolean, frozenIsRight: boolean): number => (right && frozenIsRight ? 1 : 0)
