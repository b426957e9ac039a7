/** Which charts a run gets, from the metrics it has. */
import type { MetricsRecord } from '../metrics/types.ts'
import { type Chart, drawChart, type Series } from './chart.ts'
import { type Point, seriesOf } from './series.ts'

/** All charts that have data, as HTML. `blind` is the accuracy without images, drawn as a line to beat. */
export function drawCharts(records: readonly MetricsRecord[], blind: number | null): string {
  const get = (name: string) => seriesOf(records, name)
  return [...outcome(records, get, blind), ...behaviour(get), ...optimisation(get), phases(records, get)]
    .map(drawChart)
    .filter((figure) => figure !== '')
    .join('\n')
}

type Get = (name: string) => Point[]

function outcome(records: readonly MetricsRecord[], get: Get, blind: number | null): Chart[] {
  const parts = names(records, /^rewards\/(.+)\/mean$/)
  const evaluations = names(records, /^eval_accuracy(?:\/.+)?$/)
  const reward = get('reward')
  const spread = get('reward_std')
  const edge = (sign: number) =>
    reward.length === spread.length ? reward.map(({ x, y }, i) => ({ x, y: y + sign * spread[i]!.y })) : []
  return [
    {
      title: 'Reward',
      about: "weighted sum, mean of a step's completions",
      series: [{ label: 'reward', points: reward, smoothed: true }],
      ...(spread.length > 0 && spread.length === reward.length
        ? { band: { label: 'one standard deviation', low: edge(-1), high: edge(1) } }
        : {}),
    },
    {
      title: 'Accuracy',
      about: 'held-out rows, greedy',
      series: evaluations.slice(0, 6).map((name) => line(evaluationLabel(name), get(name))),
      percent: true,
      ...(blind === null ? {} : { marks: [{ label: 'without the image', y: blind }] }),
    },
    {
      title: 'Rewards by function',
      about: "mean of a step's completions",
      series: parts
        .slice(0, 6)
        .map((name) => ({ ...line(name.split('/').slice(1, -1).join('/'), get(name)), smoothed: true })),
    },
  ]
}

function behaviour(get: Get): Chart[] {
  return [
    {
      title: 'Completion length',
      about: 'tokens',
      series: [{ label: 'mean', points: get('completions/mean_length') }],
      band: { label: 'shortest to longest', low: get('completions/min_length'), high: get('completions/max_length') },
      fromZero: true,
    },
    {
      title: 'Cut and flat',
      about: 'completions without an end; groups with one reward',
      series: [
        line('cut at the limit', get('completions/clipped_ratio')),
        line('flat groups', get('frac_reward_zero_std')),
      ],
      percent: true,
      fromZero: true,
    },
    {
      title: 'Entropy',
      about: 'nats per token',
      series: [{ ...line('entropy', get('entropy')), smoothed: true }],
      fromZero: true,
    },
    { title: 'KL', about: 'to the reference, nats per token', series: [line('kl', get('kl'))], fromZero: true },
  ]
}

function optimisation(get: Get): Chart[] {
  return [
    {
      title: 'Loss',
      about: 'mean over the trained tokens',
      series: [{ ...line('loss', get('loss')), smoothed: true }],
    },
    {
      title: 'Gradient norm',
      about: 'before clipping',
      series: [{ ...line('norm', get('grad_norm')), smoothed: true }],
      fromZero: true,
    },
    { title: 'Learning rate', about: 'of the step', series: [line('rate', get('learning_rate'))], fromZero: true },
    {
      title: 'Clipped tokens',
      about: 'ratio beyond a bound, pushed further away',
      series: [line('low', get('clip_ratio/low_mean')), line('high', get('clip_ratio/high_mean'))],
      percent: true,
      fromZero: true,
    },
  ]
}

function phases(records: readonly MetricsRecord[], get: Get): Chart {
  const sum = (name: string) => get(name).reduce((total, { y }) => total + y, 0)
  const ordered = names(records, /^timing\//).sort((a, b) => sum(b) - sum(a))
  return {
    title: 'Time by phase',
    about: 'seconds per step',
    series: ordered.slice(0, 8).map((name) => line(name.slice('timing/'.length), get(name))),
    stacked: true,
  }
}

const line = (label: string, points: Point[]): Series => ({ label, points })

const evaluationLabel = (name: string) => (name === 'eval_accuracy' ? 'all rows' : name.slice('eval_accuracy/'.length))

function names(records: readonly MetricsRecord[], pattern: RegExp): string[] {
  return [...new Set(records.flatMap((record) => Object.keys(record)))].filter((name) => pattern.test(name))
}
