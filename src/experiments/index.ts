/** All experiments. To add one: one file with an `Experiment`, one line here. */
import { InputError } from '../core/errors.ts'
import { suggest } from '../core/suggest.ts'
import { augmentation } from './augmentation.ts'
import { crossTask } from './cross_task.ts'
import type { Experiment } from './define.ts'
import { groupSize } from './group_size.ts'
import { grpoVsPpo } from './grpo_vs_ppo.ts'
import { klSweep } from './kl_sweep.ts'
import { processRewards } from './process_rewards.ts'
import { rewardTrap } from './reward_trap.ts'
import { sftVsGrpo } from './sft_vs_grpo.ts'

export const experiments: readonly Experiment[] = [
  sftVsGrpo,
  groupSize,
  klSweep,
  grpoVsPpo,
  processRewards,
  crossTask,
  augmentation,
  rewardTrap,
]

/** @throws InputError for a name that is not in the list. */
export function findExperiment(name: string): Experiment {
  const found = experiments.find((experiment) => experiment.name === name)
  if (found) return found
  const names = experiments.map((experiment) => experiment.name)
  const close = suggest(name, names)
  throw new InputError('rft experiment', names.join(', '), name, close ? `Did you mean ${close}?` : '')
}
