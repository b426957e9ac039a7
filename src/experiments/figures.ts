/** Figures that experiments share: the curves of all arms over each other, and their accuracies side by side. */
import type { Estimate } from '../evaluation/statistics.ts'
import { drawBars } from '../report/bars.ts'
import { drawChart } from '../report/chart.ts'
import { seriesOf } from '../report/series.ts'
import type { Curve } from './define.ts'
import { type ArmResult, accuracyOf, type Results } from './results.ts'

export const rewardCurve: Curve = {
  metric: 'reward',
  title: 'Reward',
  about: "mean of a step's completions",
}
export const accuracyCurve: Curve = {
  metric: 'eval_accuracy',
  title: 'Held-out accuracy on the way',
  about: 'greedy, 300 rows',
  percent: true,
}
export const klCurve: Curve = {
  metric: 'kl',
  title: 'KL',
  about: 'to the model that all arms start from, nats per token',
  fromZero: true,
}
export const lengthCurve: Curve = {
  metric: 'completions/mean_length',
  title: 'Completion length',
  about: 'tokens',
  fromZero: true,
}
export const entropyCurve: Curve = { metric: 'entropy', title: 'Entropy', about: 'nats per token', fromZero: true }
export const flatCurve: Curve = {
  metric: 'frac_reward_zero_std',
  title: 'Flat groups',
  about: 'groups whose completions all score alike teach nothing',
  percent: true,
  fromZero: true,
}

export const usualCurves: readonly Curve[] = [rewardCurve, accuracyCurve, lengthCurve, entropyCurve, flatCurve]

/** One chart with a line per arm; nothing when no arm has the metric. */
export function drawCurve(curve: Curve, arms: readonly ArmResult[]): string {
  const { metric, of = (value) => value, ...look } = curve
  const smoothed = !metric.startsWith('eval_')
  const series = arms.map(({ arm, place, records }) => ({
    label: arm.label,
    colour: place,
    smoothed,
    points: seriesOf(records, metric).map(({ x, y }) => ({ x, y: of(y) })),
  }))
  return drawChart({ ...look, series })
}

/** Final accuracy of each arm, with the start as a line to beat. */
export function drawAccuracies({ start, arms }: Results, title: string, kinds?: readonly string[]): string {
  const rows = accuracyOf(start, kinds)
  return drawBars({
    title,
    about: 'held-out rows, greedy, with 95 % intervals',
    percent: true,
    bars: arms.map(({ arm, place, answers }) => ({ label: arm.label, colour: place, ...accuracyOf(answers, kinds) })),
    marks: [{ label: 'start', x: rows.value }],
  })
}

/** Ends of a whisker. */
export const rangeOf = ({ low, high }: Estimate): [number, number] => [low, high]
