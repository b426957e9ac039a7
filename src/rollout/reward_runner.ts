/**
 * Scores completions with several rewards and adds them up.
 *
 * Built-in rewards run in place; reward files run in threads of their own (reward_file.ts), one per file; services are
 * asked over HTTP (reward_http.ts); models are opened by the trainer and judge whole batches. Whatever a reward does, the batch ends: a throw, a hang or a value that is not a finite number makes that score `null` and is
 * counted. `total[i] = sum_k weight_k * part_k[i]` over the parts that are not null, and null when all are (the semantics
 * of TRL's nansum over reward functions).
 */
import { resolve } from 'node:path'
import { InputError } from '../core/errors.ts'
import { withDefaults } from '../core/parameters.ts'
import type { ProcessReward, Row } from '../core/types.ts'
import { defineReward, isRewardName, type Reward, type RewardInput } from '../rewards/define.ts'
import { rewards as builtIn, type RewardName } from '../rewards/index.ts'
import { RewardFile } from './reward_file.ts'
import { RewardHttp } from './reward_http.ts'
import { type RewardFailures, Scores } from './reward_scores.ts'
import type { OpenableReward, RewardScorer } from './reward_spec.ts'

export type { RewardFailures } from './reward_scores.ts'
export type {
  ConsistencyRewardOptions,
  LearnedRewardOptions,
  OpenableReward,
  RewardScorer,
  RewardSpec,
} from './reward_spec.ts'

export interface RewardScores {
  /** Weighted sum per completion; null = no reward had a value. */
  total: (number | null)[]
  /** Per reward name, per completion. */
  parts: Record<string, (number | null)[]>
  /** Rewards of steps, weighted, per completion; `null` where no reward looked at its steps. */
  process: (ProcessReward | null)[]
  failures: Record<string, RewardFailures>
}

export interface RewardRunner {
  readonly names: readonly string[]
  readonly weights: Readonly<Record<string, number>>
  /**
   * Rejects only when `signal` aborts, with its reason. Calls run one after the other.
   *
   * @param rows of the completions: what a learned reward sees images through
   */
  score(batch: readonly RewardInput[], signal?: AbortSignal, rows?: readonly Row[]): Promise<RewardScores>
  /** Ends the threads. */
  dispose(): void
}

/**
 * Opens every reward, so that a bad one is an error before the run starts.
 *
 * @param options.baseDir where relative reward files start from; default: the working directory.
 * @throws InputError for an unknown name, two rewards of one name, a weight that is not finite, or a file that is missing, does not load or exports no reward.
 * @example
 * const runner = await createRewardRunner([{ name: 'accuracy' }, { file: './short.mjs', weight: 0.5 }])
 * const { total, parts, failures } = await runner.score(batch)
 */
export async function createRewardRunner(
  specs: readonly OpenableReward[],
  options: { baseDir?: string } = {},
): Promise<RewardRunner> {
  const scorers = new Map<string, RewardScorer>()
  const weights = new Map<string, number>()
  const dispose = () => {
    for (const scorer of scorers.values()) scorer.dispose()
  }
  try {
    for (const [k, spec] of specs.entries()) {
      const scorer = await openScorer(spec, `rewards.${k}`, options.baseDir ?? '.')
      const name = spec.as ?? scorer.name
      const problem = scorers.has(name)
        ? new InputError(`rewards.${k}`, 'rewards of different names', name, 'Name one of them with `as`')
        : isRewardName(name)
          ? null
          : new InputError(`rewards.${k}.as`, 'a name of letters, digits, "_", "-" or "."', name)
      if (problem) scorer.dispose()
      if (problem) throw problem
      scorers.set(name, scorer)
      weights.set(name, weightOf(spec, `rewards.${k}.weight`))
    }
  } catch (error) {
    dispose()
    throw error
  }
  let last: Promise<unknown> = Promise.resolve()
  return {
    names: [...scorers.keys()],
    weights: Object.fromEntries(weights),
    dispose,
    score(batch, signal, rows) {
      const result = last.then(() => scoreAll([...scorers.entries()], weights, batch, signal, rows))
      last = result.catch(() => undefined)
      return result
    },
  }
}

async function scoreAll(
  scorers: readonly (readonly [string, RewardScorer])[],
  weights: ReadonlyMap<string, number>,
  batch: readonly RewardInput[],
  signal?: AbortSignal,
  rows?: readonly Row[],
): Promise<RewardScores> {
  signal?.throwIfAborted()
  const scores = await Promise.all(scorers.map(([, scorer]) => scorer.score(batch, signal, rows)))
  const total = batch.map((_, i) => {
    let sum: number | null = null
    for (const [k, { values }] of scores.entries()) {
      const value = values[i]
      if (typeof value === 'number') sum = (sum ?? 0) + weights.get(scorers[k]![0])! * value
    }
    return sum
  })
  const named = <T>(pick: (scores: Scores) => T) =>
    Object.fromEntries(scorers.map(([name], k) => [name, pick(scores[k]!)]))
  const ofSteps = scorers.map(([name], k) => ({ scores: scores[k]!, weight: weights.get(name)! }))
  return {
    ...{ total, parts: named(({ values }) => values), failures: named(({ failures }) => failures) },
    process: batch.map((_, i) => processReward(ofSteps, i)),
  }
}

/** What rewards said of the steps of completion `i`, weighted; `null` when none looked at them. */
function processReward(rewards: readonly { scores: Scores; weight: number }[], i: number): ProcessReward | null {
  const judges = rewards.filter(({ scores }) => scores.steps[i] !== null)
  if (judges.length === 0) return null
  return {
    steps: judges.flatMap(({ scores, weight }) =>
      scores.steps[i]!.map(({ end, reward }) => ({ end, reward: weight * reward })),
    ),
    score: judges.reduce((sum, { scores, weight }) => sum + weight * scores.values[i]!, 0),
  }
}

async function openScorer(spec: OpenableReward, where: string, baseDir: string): Promise<RewardScorer> {
  if ('scorer' in spec) return spec.scorer
  const milliseconds = (spec.timeoutSeconds ?? 10) * 1000
  if (!(milliseconds > 0 && milliseconds < 2 ** 31))
    throw new InputError(`${where}.timeoutSeconds`, 'seconds above 0', spec.timeoutSeconds)
  if ('url' in spec) return new RewardHttp(spec, milliseconds, where)
  if ('file' in spec) return RewardFile.open(resolve(baseDir, spec.file), milliseconds)
  if ('reward' in spec) return inPlace(defineReward(spec.reward), {}, milliseconds)
  if (!Object.hasOwn(builtIn, spec.name))
    throw new InputError(`${where}.name`, `one of ${Object.keys(builtIn).join(', ')}`, spec.name)
  const reward: Reward = builtIn[spec.name as RewardName]
  return inPlace(reward, spec.parameters ?? {}, milliseconds, where)
}

function weightOf(spec: OpenableReward, where: string): number {
  const weight = spec.weight ?? 1
  if (!Number.isFinite(weight)) throw new InputError(where, 'a finite number', weight)
  return weight
}

/** A reward that runs on this thread: its promises are raced against the time-out, its loops are trusted. */
function inPlace(reward: Reward, given: Record<string, unknown>, milliseconds: number, where = 'reward'): RewardScorer {
  const values = withDefaults(reward.parameters, given, `${where}.parameters`)
  return {
    name: reward.name,
    dispose() {},
    async score(inputs, signal) {
      const scores = new Scores(inputs.length)
      await Promise.all(
        inputs.map((input, index) => scoreInPlace(() => reward.score(input, values), index, scores, milliseconds)),
      )
      signal?.throwIfAborted()
      return scores
    },
  }
}

async function scoreInPlace(
  call: () => ReturnType<Reward['score']>,
  index: number,
  scores: Scores,
  milliseconds: number,
) {
  let timer: NodeJS.Timeout | undefined
  try {
    const value = call()
    if (!(value instanceof Promise)) return scores.value(index, value)
    const silence = new Promise<void>((done) => {
      timer = setTimeout(() => done(scores.timeout(index, milliseconds)), milliseconds)
    })
    await Promise.race([silence, value.then((result) => scores.value(index, result))])
  } catch (error) {
    scores.error(index, error instanceof Error ? error.message : String(error))
  } finally {
    clearTimeout(timer)
  }
}
