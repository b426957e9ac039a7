/** Holds a run's metrics against the alarms and writes down what is raised. */

import { type AlarmAction, AlarmWatch, type RaisedAlarm } from '../alarms/index.ts'
import type { Config } from '../config/schema.ts'
import type { Group } from '../core/types.ts'
import { type AlarmRecord, alarmsWriter } from '../metrics/alarms.ts'
import { readMetrics } from '../metrics/jsonl.ts'
import type { LinesFile } from '../metrics/lines.ts'
import { rewardExamples } from '../rollout/reward_examples.ts'
import type { RewardRunner } from '../rollout/reward_runner.ts'
import type { Metrics } from './step_metrics.ts'

export class AlarmLog {
  private watch: AlarmWatch
  private file: LinesFile<AlarmRecord>

  /** @param step the step a resumed run continues from: what it saw before is seen again, without an alarm. */
  constructor(
    private readonly config: Config,
    private readonly rewards: Pick<RewardRunner, 'names' | 'weights'>,
    step: number,
    private readonly note: (message: string) => void,
  ) {
    this.watch = this.watchFrom(step)
    this.file = alarmsWriter(config.run.dir, step > 0 ? step : undefined)
  }

  /**
   * @param groups what was sampled for the record
   * @returns the strongest action that the record calls for, null when nothing is raised.
   */
  metrics(step: number, metrics: Metrics, groups: readonly Group[]): AlarmAction | null {
    const raised = isEvaluation(metrics) ? this.watch.evaluation(step, metrics) : this.watch.step(step, metrics)
    for (const { examples, ...alarm } of raised) {
      const details = examples ? rewardExamples(groups) : []
      this.file.write({ ...alarm, details })
      this.note(`ALARM ${alarm.alarm}: ${alarm.seen}. ${alarm.remedy}`)
      for (const line of details) this.note(`  ${line}`)
    }
    return strongest(raised)
  }

  /** The run goes on from this earlier step. */
  rewind(step: number): void {
    this.file.close()
    this.file = alarmsWriter(this.config.run.dir, step)
    this.watch = this.watchFrom(step)
  }

  close(): void {
    this.file.close()
  }

  private watchFrom(step: number): AlarmWatch {
    const { alarms, algorithm } = this.config
    const { names, weights } = this.rewards
    const watch = new AlarmWatch(alarms, {
      rewards: names.map((name) => ({ name, weight: weights[name] ?? 1 })),
      onPolicy: algorithm.updatesPerRollout * algorithm.miniBatches === 1,
    })
    const past = step === 0 ? [] : readMetrics(this.config.run.dir).filter((record) => record.step <= step)
    for (const record of past)
      if (isEvaluation(record)) watch.evaluation(record.step, record)
      else watch.step(record.step, record)
    return watch
  }
}

/** Records of evaluations have no loss. */
const isEvaluation = (metrics: Metrics) => Object.keys(metrics).some((name) => name.startsWith('eval_'))

const order: readonly AlarmAction[] = ['warn', 'checkpoint', 'rollback', 'stop']

function strongest(raised: readonly RaisedAlarm[]): AlarmAction | null {
  const ranks = raised.map(({ action }) => order.indexOf(action))
  return ranks.length === 0 ? null : order[Math.max(...ranks)]!
}
