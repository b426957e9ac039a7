/**
 * Reward against the mean of its group:
 *
 *   scale group: (r - mean_g) / (std_g + eps)       GRPO (DeepSeekMath)
 *   scale batch: (r - mean_g) / (std_all + eps)     Lite-PPO
 *   scale none:   r - mean_g                        Dr.GRPO
 */
import { type AdvantageOptions, defineAdvantage, meanStd, type RewardGroup } from './define.ts'

export const group = defineAdvantage({
  kind: 'group',
  source: 'GRPO, arXiv 2402.03300; Dr.GRPO, arXiv 2503.20783 (none); Lite-PPO, arXiv 2508.08221 (batch)',
  compute({ rewards, batch }: RewardGroup, { scale, eps, ddof }: AdvantageOptions) {
    const { mean, std } = meanStd(rewards, ddof)
    const divisor = scale === 'none' ? 1 : (scale === 'group' ? std : meanStd(batch, ddof).std) + eps
    return rewards.map((r) => (r === mean ? 0 : (r - mean) / divisor))
  },
})
