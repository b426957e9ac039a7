/**
 * How the weight of the KL term moves:
 *
 *   constant   coef
 *   linear     coef + (endCoef - coef) progress                      GRPO-D of OThink-MR1 rises, others anneal to 0
 *   cosine     endCoef + (coef - endCoef) (1 + cos(pi progress)) / 2
 *   accuracy   endCoef + (coef - endCoef) (1 - accuracy)             FAST: coef > endCoef; FG-ExPO: coef < endCoef
 *   adaptive   a controller, see `adaptKlCoef`
 */

export interface KlSchedule {
  schedule: 'constant' | 'linear' | 'cosine' | 'adaptive' | 'accuracy'
  coef: number
  endCoef: number
}

/**
 * The weight at a step.
 *
 * @param progress share of the run that is over, in [0, 1].
 * @param accuracy mean reward of the batch or the group, brought to [0, 1]; for `accuracy`.
 * @param adapted what the controller holds; for `adaptive`.
 */
export function klCoef({ schedule, coef, endCoef }: KlSchedule, progress: number, accuracy: number, adapted: number) {
  const share: Record<KlSchedule['schedule'], () => number> = {
    constant: () => coef,
    linear: () => coef + (endCoef - coef) * progress,
    cosine: () => endCoef + ((coef - endCoef) * (1 + Math.cos(Math.PI * progress))) / 2,
    accuracy: () => endCoef + (coef - endCoef) * (1 - Math.min(1, Math.max(0, accuracy))),
    adaptive: () => adapted,
  }
  return share[schedule]()
}

/**
 * The controller of Ziegler et al. 2019 (verl, EasyR1): coef (1 + clip(KL / target - 1, -0.2, 0.2) completions / horizon).
 */
export function adaptKlCoef(
  coef: number,
  kl: number,
  completions: number,
  { target, horizon }: { target: number; horizon: number },
): number {
  const error = Math.min(Math.max(kl / target - 1, -0.2), 0.2)
  return coef * (1 + (error * completions) / horizon)
}
