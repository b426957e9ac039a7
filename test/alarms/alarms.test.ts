/** Each alarm on records that must raise it, and on records just short of that. */
import { describe, expect, test } from 'vitest'
import type { StepMetrics } from '../../src/alarms/define.ts'
import { type AlarmSettings, AlarmWatch, alarms } from '../../src/alarms/index.ts'

const settings = (change: AlarmSettings = {}): AlarmSettings => ({
  ...Object.fromEntries(
    alarms.map(({ name, thresholds }) => [
      name,
      {
        action: 'warn' as const,
        thresholds: Object.fromEntries(Object.entries(thresholds).map(([key, t]) => [key, t.default])),
      },
    ]),
  ),
  ...change,
})

const rewards = [
  { name: 'accuracy', weight: 1 },
  { name: 'format', weight: 0.2 },
  { name: 'strict', weight: 0 },
]

interface Scenario {
  steps: StepMetrics[]
  evaluations?: StepMetrics[]
  onPolicy?: boolean
}

/** Names of the alarms that the records raise, each as often as it was raised. */
function raisedBy({ steps, evaluations = [], onPolicy = true }: Scenario, change: AlarmSettings = {}): string[] {
  const watch = new AlarmWatch(settings(change), { rewards, onPolicy })
  const early = evaluations.flatMap((record) => watch.evaluation(0, record))
  return [...early, ...steps.flatMap((record, i) => watch.step(i + 1, record))].map(({ alarm }) => alarm)
}

const repeat = (count: number, metrics: StepMetrics) => Array.from({ length: count }, () => metrics)
const ramp = (count: number, metrics: (share: number) => StepMetrics) =>
  Array.from({ length: count }, (_, i) => metrics(i / (count - 1)))

const cases: Record<string, { raises: Scenario; quiet: Scenario }> = {
  vanishing_advantages: {
    raises: { steps: repeat(10, { frac_reward_zero_std: 0.9 }) },
    quiet: { steps: [...repeat(4, { frac_reward_zero_std: 0.9 }), ...repeat(9, { frac_reward_zero_std: 0.6 })] },
  },
  truncation: {
    raises: { steps: repeat(5, { 'completions/clipped_ratio': 0.4 }) },
    quiet: { steps: repeat(50, { 'completions/clipped_ratio': 0.25 }) },
  },
  zero_reward: {
    raises: { steps: repeat(20, { 'rewards/accuracy/mean': 0, 'rewards/format/mean': 1 }) },
    // the check has weight 0: it may be silent
    quiet: { steps: [...repeat(19, { 'rewards/accuracy/mean': 0 }), { 'rewards/accuracy/mean': 0.01 }] },
  },
  format_only: {
    raises: { steps: ramp(20, (s) => ({ 'rewards/format/mean': s, 'rewards/accuracy/mean': 0.3 })) },
    quiet: { steps: ramp(20, (s) => ({ 'rewards/format/mean': s, 'rewards/accuracy/mean': 0.3 + 0.3 * s })) },
  },
  verifier_disagreement: {
    raises: { steps: ramp(20, (s) => ({ 'rewards/accuracy/mean': s, 'rewards/strict/mean': 0.1 })) },
    quiet: { steps: ramp(20, (s) => ({ 'rewards/accuracy/mean': 0.5 + s / 2, 'rewards/strict/mean': s / 2 })) },
  },
  reward_without_progress: {
    raises: {
      steps: ramp(20, (s) => ({ reward: s })),
      evaluations: [{ eval_accuracy: 0.6 }, { eval_accuracy: 0.5 }],
    },
    quiet: {
      steps: ramp(20, (s) => ({ reward: s })),
      evaluations: [{ eval_accuracy: 0.6 }, { eval_accuracy: 0.59 }],
    },
  },
  repetition: {
    raises: { steps: repeat(5, { 'completions/repetition': 0.5 }) },
    quiet: { steps: repeat(20, { 'completions/repetition': 0.2 }) },
  },
  overthinking: {
    raises: {
      steps: ramp(40, (s) => ({ 'completions/mean_length': 100 + 200 * s })),
      evaluations: [{ eval_accuracy: 0.5 }, { eval_accuracy: 0.5 }],
    },
    quiet: {
      steps: ramp(40, (s) => ({ 'completions/mean_length': 100 + 200 * s })),
      evaluations: [{ eval_accuracy: 0.5 }, { eval_accuracy: 0.6 }],
    },
  },
  entropy_collapse: {
    raises: { steps: repeat(5, { entropy: 0.01 }) },
    quiet: { steps: repeat(20, { entropy: 0.05 }) },
  },
  kl_spike: {
    raises: { steps: [...repeat(10, { kl: 0.01 }), { kl: 0.2 }] },
    quiet: { steps: [...repeat(10, { kl: 0.001 }), { kl: 0.04 }] },
  },
  gradient_spike: {
    raises: { steps: [...repeat(10, { grad_norm: 0.5 }), { grad_norm: 50 }] },
    quiet: { steps: [...repeat(10, { grad_norm: 0.5 }), { grad_norm: 5 }] },
  },
  sampler_mismatch: {
    raises: { steps: repeat(3, { 'sampling/sampling_logp_difference/mean': 0.1 }) },
    quiet: { steps: repeat(9, { 'sampling/sampling_logp_difference/mean': 0.1 }), onPolicy: false },
  },
  off_policy: {
    raises: { steps: repeat(5, { 'clip_ratio/region_mean': 0.3 }) },
    quiet: { steps: repeat(9, { 'clip_ratio/region_mean': 0.2 }) },
  },
  image_tokens: {
    raises: { steps: [{ 'completions/image_tokens': 1 }] },
    quiet: { steps: repeat(3, { 'completions/image_tokens': 0 }) },
  },
  critic_useless: {
    raises: { steps: repeat(15, { 'critic/vf_explained_var': -0.2 }) },
    quiet: { steps: [...repeat(14, { 'critic/vf_explained_var': -0.2 }), { 'critic/vf_explained_var': 0.1 }] },
  },
}

test('every alarm has a case here, a remedy and documented thresholds', () => {
  expect(alarms.map(({ name }) => name).sort()).toEqual(Object.keys(cases).sort())
  for (const { name, about, remedy, thresholds } of alarms) {
    expect([about.endsWith('.'), remedy.endsWith('.')], name).toEqual([true, true])
    for (const { about: meaning } of Object.values(thresholds)) expect(meaning, name).not.toBe('')
  }
})

describe.each(Object.entries(cases))('%s', (name, { raises, quiet }) => {
  test('is raised once', () => expect(raisedBy(raises)).toEqual([name]))
  test('stays quiet', () => expect(raisedBy(quiet)).not.toContain(name))
  test('can be switched off', () => expect(raisedBy(raises, { [name]: { action: 'off', thresholds: {} } })).toEqual([]))
})

test('an alarm that has gone is raised again when it comes back', () => {
  const [bad, good] = [repeat(5, { 'clip_ratio/region_mean': 0.5 }), repeat(5, { 'clip_ratio/region_mean': 0 })]
  expect(raisedBy({ steps: [...bad, ...bad, ...good, ...bad] })).toEqual(['off_policy', 'off_policy'])
})

test('what is raised says what was seen and what to do', () => {
  const watch = new AlarmWatch(settings(), { rewards, onPolicy: true })
  const [raised] = repeat(5, { 'completions/clipped_ratio': 0.4 }).flatMap((record, i) => watch.step(i + 1, record))
  expect(raised).toMatchObject({ step: 5, alarm: 'truncation', action: 'warn', examples: false })
  expect(raised!.seen).toBe('40 % of the completions of the last 5 steps were cut off')
  expect(raised!.remedy).toContain('rollout.maxNewTokens')
})

test('metrics that are absent raise nothing', () => expect(raisedBy({ steps: repeat(60, {}) })).toEqual([]))
