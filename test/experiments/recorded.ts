/** Results as arms of an experiment leave them, made by hand. */

import type { Experiment } from '../../src/experiments/define.ts'
import type { ArmResult, Results } from '../../src/experiments/results.ts'

/** `count` answers of which `right` are right, the first ones. */
export const answers = (right: number, count = 100) => '1'.repeat(right) + '0'.repeat(count - right)

/** Ten steps whose metrics move evenly from `from` to `to`. */
export function records(metrics: Record<string, readonly [from: number, to: number]>) {
  return Array.from({ length: 10 }, (_, i) => ({
    step: i + 1,
    ...Object.fromEntries(Object.entries(metrics).map(([name, [from, to]]) => [name, from + ((to - from) * i) / 9])),
  }))
}

/** Results of an experiment in which every arm has what `of` says about it, by its name. */
export function results(experiment: Experiment, of: Readonly<Record<string, Partial<ArmResult>>>): Results {
  const arms = experiment.arms(10).map((arm, place) => ({
    ...{ arm, place, steps: 10, seconds: 10, completions: 2560, tokens: 100_000, alarms: [] },
    ...{ records: records({ reward: [0.5, 0.7] }), answers: { arithmetic: answers(60) } },
    ...of[arm.name],
  }))
  return { start: { arithmetic: answers(50) }, arms }
}
