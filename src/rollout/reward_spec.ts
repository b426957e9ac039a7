/** What a reward can be given as, and what one becomes once it is open. */
import type { Parameters } from '../core/parameters.ts'
import type { Row } from '../core/types.ts'
import type { RewardDefinition, RewardInput } from '../rewards/define.ts'
import type { HttpRewardOptions } from './reward_http.ts'
import type { Scores } from './reward_scores.ts'

interface RewardOptions {
  /** Factor in the sum; default 1. */
  weight?: number
  /** How long a reward may stay silent; default 10. Cannot stop a `reward` value that loops without awaiting. */
  timeoutSeconds?: number
  /** Name in metrics; default: the reward's own. Lets one reward stand in the list several times. */
  as?: string
}

/** A reward that is a model; docs/rewards.md says what each kind reads. */
export interface LearnedRewardOptions {
  name: 'learned'
  /** Model folder. */
  path: string
  kind?: 'auto' | 'score' | 'steps' | 'verdict' | 'step-verdict'
  template?: string | null
  words?: readonly string[] | null
  stepToken?: string | null
  separator?: string
  system?: string | null
  output?: 'auto' | 'logit' | 'probability' | 'log-probability'
  over?: 'min' | 'mean' | 'product' | 'last'
}

/** Whether a frozen model comes to a right answer from the reasoning alone (Embodied-R). */
export interface ConsistencyRewardOptions {
  name: 'consistency'
  /** Folder of the frozen model; null = the model that the run starts from. */
  path: string | null
  /** What says whether an answer is right. */
  judge?: 'accuracy' | 'math' | 'exact' | 'choice'
  /** Longest answer of the frozen model. */
  maxNewTokens?: number
}

/** An open reward that judges whole batches: it never rejects because of what it judges. */
export interface RewardScorer {
  /** The reward's own name. */
  readonly name: string
  /** @param rows of the completions, where the caller knows them */
  score(inputs: readonly RewardInput[], signal?: AbortSignal, rows?: readonly Row[]): Promise<Scores>
  dispose(): void
}

/** What the runner opens or takes: all rewards but models, which need a device. */
export type OpenableReward = RewardOptions &
  (
    | { name: string; parameters?: Record<string, unknown> }
    | { file: string }
    | HttpRewardOptions
    | { reward: RewardDefinition<Parameters> }
    | { scorer: RewardScorer }
  )

/**
 * A built-in by name, a module by path, a service by address, a model by folder, or a reward value (for programs; it runs in
 * place).
 */
export type RewardSpec = OpenableReward | (RewardOptions & (LearnedRewardOptions | ConsistencyRewardOptions))
