/**
 * Learning-rate schedules, equal to `transformers.get_scheduler`: linear warm-up from 0, then
 *
 *   constant  base
 *   linear    base x (total - step) / (total - warmup)
 *   cosine    base x (min + (1 - min) x (1 + cos(pi x progress)) / 2)      progress = (step - warmup) / (total - warmup)
 *
 * `min` is the floor as a fraction of base (`cosine_with_min_lr`); it is 0 by default. Past the end the last rate stays.
 */

export type ScheduleKind = 'constant' | 'linear' | 'cosine'

export interface Schedule {
  kind: ScheduleKind
  base: number
  warmupSteps: number
  totalSteps: number
  /** Cosine only: floor as a fraction of `base`. */
  minRatio?: number
}

/** Learning rate of optimizer step `step` (the first is 0, whose rate is 0 under warm-up). */
export function learningRate(step: number, schedule: Schedule): number {
  const { kind, base, warmupSteps, totalSteps, minRatio = 0 } = schedule
  if (step < warmupSteps) return (base * step) / Math.max(1, warmupSteps)
  const span = Math.max(1, totalSteps - warmupSteps)
  if (kind === 'constant') return base
  if (kind === 'linear') return base * Math.max(0, (totalSteps - step) / span)
  const progress = Math.min(1, (step - warmupSteps) / span)
  return base * Math.max(0, minRatio + ((1 - minRatio) * (1 + Math.cos(Math.PI * progress))) / 2)
}
