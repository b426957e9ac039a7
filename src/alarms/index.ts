/** All alarms, and the watch that a run keeps over them. To add one: one file with `defineAlarm`, one line here. */
import { criticUseless } from './critic_useless.ts'
import { type Alarm, type AlarmView, historySteps, type StepMetrics } from './define.ts'
import { entropyCollapse } from './entropy_collapse.ts'
import { formatOnly } from './format_only.ts'
import { gradientSpike } from './gradient_spike.ts'
import { imageTokens } from './image_tokens.ts'
import { klSpike } from './kl_spike.ts'
import { offPolicy } from './off_policy.ts'
import { overthinking } from './overthinking.ts'
import { repetition } from './repetition.ts'
import { rewardWithoutProgress } from './reward_without_progress.ts'
import { samplerMismatch } from './sampler_mismatch.ts'
import { truncation } from './truncation.ts'
import { vanishingAdvantages } from './vanishing_advantages.ts'
import { verifierDisagreement } from './verifier_disagreement.ts'
import { zeroReward } from './zero_reward.ts'

export const alarms: readonly Alarm[] = [
  vanishingAdvantages,
  truncation,
  zeroReward,
  formatOnly,
  verifierDisagreement,
  rewardWithoutProgress,
  repetition,
  overthinking,
  entropyCollapse,
  klSpike,
  gradientSpike,
  samplerMismatch,
  offPolicy,
  imageTokens,
  criticUseless,
]

export type { Alarm, StepMetrics } from './define.ts'

/** `off` = not looked at. The others also do what the ones before them do. */
export const alarmActions = ['off', 'warn', 'checkpoint', 'rollback', 'stop'] as const
export type AlarmAction = (typeof alarmActions)[number]

/** Of one alarm: what to do, and its thresholds by name. */
export type AlarmSettings = Readonly<Record<string, { action: AlarmAction; thresholds: Record<string, number> }>>

/** An alarm that has just been raised. */
export interface RaisedAlarm {
  readonly step: number
  alarm: string
  /** What is going wrong in general, what was seen, and what to do. */
  about: string
  seen: string
  remedy: string
  action: AlarmAction
  /** Some completions, as the rewards read them, help to see why. */
  examples: boolean
}

/**
 * Watches the records of a run. An alarm is raised when its condition begins to hold, and again only after it has stopped
 * to hold in between.
 *
 * @example
 * const watch = new AlarmWatch(settings, { rewards: [{ name: 'accuracy', weight: 1 }], onPolicy: true })
 * const raised = watch.step(40, { reward: 0.5, frac_reward_zero_std: 1 })
 */
export class AlarmWatch {
  private readonly steps: StepMetrics[] = []
  private readonly evaluations: StepMetrics[] = []
  private readonly active = new Set<string>()

  constructor(
    private readonly settings: AlarmSettings,
    private readonly run: Pick<AlarmView, 'rewards' | 'onPolicy'>,
  ) {}

  /** @returns what this training record raises. */
  step(step: number, metrics: StepMetrics): RaisedAlarm[] {
    this.steps.push(metrics)
    if (this.steps.length > historySteps) this.steps.shift()
    return this.check(step)
  }

  /** @returns what this evaluation record raises. */
  evaluation(step: number, metrics: StepMetrics): RaisedAlarm[] {
    this.evaluations.push(metrics)
    return this.check(step)
  }

  private check(step: number): RaisedAlarm[] {
    const view = { ...this.run, steps: this.steps, evaluations: this.evaluations }
    return alarms.flatMap((alarm) => {
      const { action, thresholds } = this.settings[alarm.name] ?? { action: 'off', thresholds: {} }
      if (action === 'off') return []
      const seen = alarm.check(view, thresholds)
      const known = this.active.has(alarm.name)
      if (seen === null) this.active.delete(alarm.name)
      else this.active.add(alarm.name)
      if (seen === null || known) return []
      const { name, about, remedy, examples = false } = alarm
      return [{ step, alarm: name, about, seen, remedy, action, examples }]
    })
  }
}
