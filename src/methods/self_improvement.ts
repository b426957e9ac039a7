/**
 * Reject-sampling self-improvement (Curr-ReFT, Deng et al. 2025): of the completions of a question the best that is good
 * enough becomes a target to imitate. Of equal ones the shortest: it has the least that is not needed.
 */
import { isNumber, type SampleGroup } from './define.ts'

/** Index of the completion to imitate, null when none reaches `least`. */
export function bestSample({ samples }: SampleGroup, least: number): number | null {
  let best: number | null = null
  for (const [i, { reward, tokens, finish }] of samples.entries()) {
    if (!isNumber(reward) || reward < least || finish === 'length') continue
    const other = best === null ? null : samples[best]!
    if (other === null || reward > other.reward! || (reward === other.reward && tokens < other.tokens)) best = i
  }
  return best
}
