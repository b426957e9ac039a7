/** Opens the rewards of a run, learned ones on the run's device. */

import type { Config } from '../config/schema.ts'
import { InputError } from '../core/errors.ts'
import { stepRewards } from '../rewards/index.ts'
import {
  createRewardRunner,
  type OpenableReward,
  type RewardRunner,
  type RewardSpec,
} from '../rollout/reward_runner.ts'
import { openConsistencyReward } from './consistency_reward.ts'
import { openLearnedReward } from './learned_reward.ts'

/** @throws InputError as `createRewardRunner` does, and for a bad model folder. */
export async function openRewards(specs: readonly RewardSpec[], config: Config): Promise<RewardRunner> {
  const open: OpenableReward[] = []
  const dispose = () => {
    for (const spec of open) if ('scorer' in spec) spec.scorer.dispose()
  }
  try {
    for (const [k, spec] of specs.entries()) {
      const { device, threads, data, model, train } = config
      const settings = { ...data, device, threads, dtype: model.dtype, tokensPerPass: train.tokensPerMicroBatch }
      if (!('path' in spec)) open.push(spec)
      else {
        const { weight, as } = spec
        const scorer =
          spec.name === 'learned'
            ? await openLearnedReward(spec, settings, `rewards.${k}`)
            : await openConsistencyReward({ ...spec, path: spec.path ?? model.path }, settings)
        open.push({ scorer, weight, as })
      }
    }
    return await createRewardRunner(open)
  } catch (error) {
    dispose()
    throw error
  }
}

/**
 * Files, services, functions and models may judge steps; of the built-in rewards some do.
 *
 * @throws InputError when none of the rewards does.
 */
export function requireStepRewards(specs: readonly RewardSpec[]): void {
  const judging = [...stepRewards, 'learned']
  if (specs.some((spec) => !('name' in spec) || judging.includes(spec.name))) return
  throw new InputError(
    'rewards',
    `one that judges steps: ${judging.join(', ')}, a file or a service`,
    specs.map((spec) => ('name' in spec ? spec.name : '')).join(', '),
    'algorithm.advantage.process places the rewards of steps on tokens',
  )
}
