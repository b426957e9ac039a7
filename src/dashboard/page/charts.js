/** Which charts there are. One run: a chart has all its lines. Several runs: one chart per line, a line per run. */

const line = (name, label) => ({ name, label })
const isFinitePart = (run, name) => run.column(name).some((value) => value !== null)

/** Names of the run's metrics that match, with the first group as label. */
function matching(run, pattern) {
  return [...run.columns.keys()].flatMap((name) => {
    const found = pattern.exec(name)
    return found ? [line(name, found[1] ?? name)] : []
  })
}

const sections = [
  {
    title: 'Outcome',
    charts: [
      {
        title: 'Reward',
        about: 'weighted sum, mean of the completions of a step',
        lines: () => [line('reward', 'reward')],
        band: (run) => ({ middle: run.column('reward'), spread: run.column('reward_std'), label: '± group std' }),
      },
      {
        title: 'Rewards by function',
        about: 'mean of the completions of a step',
        lines: (run) => matching(run, /^rewards\/(.+)\/mean$/),
      },
      {
        title: 'Held-out accuracy',
        about: 'greedy',
        lines: (run) =>
          matching(run, /^eval_accuracy(?:\/(.+))?$/).map((one) =>
            one.name === 'eval_accuracy' ? line(one.name, 'all rows') : one,
          ),
        percent: true,
        raw: true,
      },
    ],
  },
  {
    title: 'Behaviour',
    charts: [
      {
        title: 'Completion length',
        about: 'tokens, mean; shaded from shortest to longest',
        lines: () => [line('completions/mean_length', 'mean')],
        band: (run) => ({
          low: run.column('completions/min_length'),
          high: run.column('completions/max_length'),
          label: 'min to max',
        }),
        zero: true,
      },
      {
        title: 'Cut and flat',
        about: 'completions without an end; groups that all score the same',
        lines: () => [
          line('completions/clipped_ratio', 'cut at the limit'),
          line('frac_reward_zero_std', 'flat groups'),
        ],
        percent: true,
        zero: true,
      },
      { title: 'Entropy', about: 'nats per token', lines: () => [line('entropy', 'entropy')], zero: true },
      { title: 'KL', about: 'to the reference, nats per token', lines: () => [line('kl', 'kl')], zero: true },
    ],
  },
  {
    title: 'Optimisation',
    charts: [
      { title: 'Loss', about: 'mean over the trained tokens', lines: () => [line('loss', 'loss')] },
      { title: 'Gradient norm', about: 'before clipping', lines: () => [line('grad_norm', 'norm')], zero: true },
      {
        title: 'Clipped tokens',
        about: 'ratio beyond a bound, pushed further away',
        lines: () => [line('clip_ratio/low_mean', 'low'), line('clip_ratio/high_mean', 'high')],
        percent: true,
        zero: true,
      },
      {
        title: 'Learning rate',
        about: 'of the step',
        lines: () => [line('learning_rate', 'rate')],
        zero: true,
        raw: true,
      },
    ],
  },
  {
    title: 'Machine',
    charts: [
      {
        title: 'Time by phase',
        about: 'seconds per step',
        lines: (run) => matching(run, /^timing\/(.+)$/).sort((a, b) => sum(run, b.name) - sum(run, a.name)),
        bars: true,
        zero: true,
      },
      {
        title: 'Memory',
        about: 'highest resident memory so far, MiB',
        lines: () => [line('peak_rss_mb', 'process')],
        zero: true,
        raw: true,
      },
      {
        title: 'Tokens per second',
        about: 'prompts once per group',
        lines: () => [line('tokens_per_second', 'tokens/s')],
        zero: true,
      },
    ],
  },
]

const sum = (run, name) => run.column(name).reduce((total, value) => total + (Number.isFinite(value) ? value : 0), 0)

/** Everything else, for who looks for it. */
const rest = (run, drawn) => [...run.columns.keys()].filter((name) => !drawn.has(name)).sort()

/**
 * What to draw: `{title, charts: [{key, title, about, lines: [{run, name, label}], ...}]}` per section. Charts without
 * data are left out.
 */
export function layout(runs) {
  const drawn = new Set(
    runs.flatMap((run) => [...run.columns.keys()].filter((name) => /^completions\/m|reward_std/.test(name))),
  )
  const out = sections.map(({ title, charts }) => ({ title, charts: charts.flatMap((chart) => expand(chart, runs)) }))
  for (const { charts } of out) for (const { lines } of charts) for (const { name } of lines) drawn.add(name)
  const names = [...new Set(runs.flatMap((run) => rest(run, drawn)))]
  const others = names.flatMap((name) => expand({ title: name, about: '', lines: () => [line(name, name)] }, runs))
  out.push({ title: 'Everything else', charts: others, folded: true })
  return out.filter(({ charts }) => charts.length > 0)
}

function expand(chart, runs) {
  if (runs.length === 1) {
    const [run] = runs
    const lines = chart
      .lines(run)
      .filter(({ name }) => isFinitePart(run, name))
      .slice(0, 8)
    if (lines.length === 0) return []
    const whole = { ...chart, key: chart.title, lines: lines.map((one) => ({ ...one, run })) }
    return [{ ...whole, band: chart.band && lines.length === 1 ? chart.band(run) : null }]
  }
  const parts = new Map()
  for (const run of runs)
    for (const { name, label } of chart.lines(run))
      if (isFinitePart(run, name))
        parts.set(name, { label, lines: [...(parts.get(name)?.lines ?? []), { name, label: run.facts.name, run }] })
  const single = parts.size === 1
  return [...parts].map(([name, { label, lines }]) => ({
    ...{ ...chart, key: `${chart.title} ${name}`, title: single ? chart.title : `${chart.title}: ${label}` },
    ...{ lines, bars: false, band: null },
  }))
}
