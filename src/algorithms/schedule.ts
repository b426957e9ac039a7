/**
 * Learning-rate schedules, equal to `transformers.get_scheduler`: linear warm-up from 0, then
 *
 *   constant  base
 *   linear    base x (min + (1 - min) x (1 - progress))
 *   cosine    base x (min + (1 - min) x (1 + cos(pi x progress)) / 2)
 *
 * with progress = (step - warmup) / (total - warmup). `min` is the floor as a fraction of base; it is 0 by default.
 * Past the end the last rate stays.
 */

export type ScheduleKind = 'constant' | 'linear' | 'cosine'

export interface Schedule {
  kind: ScheduleKind
  base: number
  warmupSteps: number
  totalSteps: number
  /** Floor of the decay as a fraction of `base`. */
  minRatio?: number
}

/** Learning rate of optimizer step `step` (the first is 0, whose rate is 0 under warm-up). */
export function learningRate(step: number, schedule: Schedule): number {
  const { kind, base, warmupSteps, totalSteps, minRatio = 0 } = schedule
  if (step < warmupSteps) return (base * step) / Math.max(1, warmupSteps)
  if (kind === 'constant') return base
  const progress = Math.min(1, (step - warmupSteps) / Math.max(1, totalSteps - warmupSteps))
  const remaining = kind === 'linear' ? 1 - progress : (1 + Math.cos(Math.PI * progress)) / 2
  return base * (minRatio + (1 - minRatio) * remaining)
}
