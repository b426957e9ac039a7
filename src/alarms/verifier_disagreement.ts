/**
 * A leaky verifier: what it accepts is not what a stricter check accepts. A reward of weight 0 is such a check: it never
 * moves the policy, so the policy has no reason to please it.
 */
import { defineAlarm, lastValues, meanOf, shown } from './define.ts'

export const verifierDisagreement = defineAlarm({
  name: 'verifier_disagreement',
  about: 'A reward accepts answers that a stricter check (a reward of weight 0) refuses.',
  remedy:
    'Read the completions that only the reward accepts: the policy has found what it lets through. Mend the verifier, then roll back to a checkpoint before the gap opened.',
  thresholds: {
    gap: { default: 0.2, about: 'Growth of the gap between reward and check since the first steps.' },
    steps: { default: 5, about: 'Steps that both ends of the comparison average over.' },
  },
  check({ steps: records, rewards }, { gap, steps }) {
    const reward = rewards.find(({ weight }) => weight > 0)
    for (const check of rewards.filter(({ weight }) => weight === 0)) {
      if (!reward || records.length < 2 * steps) continue
      const gaps = [records.slice(0, steps), records.slice(-steps)].map((part) => {
        const [loose, strict] = [reward, check].map(({ name }) => lastValues(part, `rewards/${name}/mean`, steps))
        return loose && strict ? meanOf(loose) - meanOf(strict) : null
      })
      const [before, now] = gaps
      if (before === null || now === null || now! - before! <= gap) continue
      return `${reward.name} is ${shown(now!)} above ${check.name}; it was ${shown(before!)} at first`
    }
    return null
  },
})
