/** All experiments. To add one: one file with an `Experiment`, one line here. */
import { InputError } from '../core/errors.ts'
import { suggest } from '../core/suggest.ts'
import type { Experiment } from './define.ts'
import { grpoVsPpo } from './grpo_vs_ppo.ts'

export const experiments: readonly Experiment[] = [grpoVsPpo]

/** @throws InputError for a name that is not in the list. */
export function findExperiment(name: string): Experiment {
  const found = experiments.find((experiment) => experiment.name === name)
  if (found) return found
  const names = experiments.map((experiment) => experiment.name)
  const close = suggest(name, names)
  throw new InputError('rft experiment', names.join(', '), name, close ? `Did you mean ${close}?` : '')
}
