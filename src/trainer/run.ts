/** What a training run consists of once everything is open. */

import type { ModelConfig } from '../checkpoint/hf_folder.ts'
import type { Companion, SavableModel, SavableOptimizer } from '../checkpoint/run_checkpoint.ts'
import type { TrainerState } from '../checkpoint/trainer_state.ts'
import type { Config } from '../config/schema.ts'
import type { Prompt, Row } from '../core/types.ts'
import type { CollectOptions } from '../rollout/collect.ts'
import type { RewardRunner } from '../rollout/reward_runner.ts'
import type { ChangeImage } from '../text/index.ts'
import type { Critic } from './critic.ts'
import type { Policy, PolicyOptimizer, Reference } from './policy.ts'
import type { Example } from './sft.ts'

/** Training rows in the order a run visits them. */
export interface RowStream {
  /** Rows of one epoch. */
  readonly count: number
  /** Changes when the rows do; a run is resumed on the data it began with. */
  readonly fingerprint: string
  /** `count` rows from place `seen` on, counted from the beginning of the run; a function of the seed and the place. */
  take(seen: number, count: number): Row[]
  /** The row of an id, `null` when there is none. */
  find(id: string): Row | null
}

export interface Run {
  readonly config: Config
  /** Folder the policy's config and tokenizer files come from. */
  readonly source: ModelConfig
  readonly policy: Policy & SavableModel
  readonly optimizer: PolicyOptimizer & SavableOptimizer
  readonly reference: Reference | null
  /** Of PPO. */
  readonly critic?: Critic | null
  /** What a checkpoint holds besides the policy. */
  readonly companions?: readonly Companion[]
  readonly rewards: RewardRunner
  readonly sampling: Omit<CollectOptions, 'step' | 'samples'>
  readonly training: RowStream
  readonly heldOut: readonly Row[]
  /** @param change what is done to the row's images first */
  toPrompt(row: Row, change?: ChangeImage): Promise<Prompt>
  /** Text -> token ids, without special tokens. */
  encode(text: string): number[]
  /** For supervised training: the prompt and the tokens of the row's target. */
  toExample(row: Row): Promise<Example>
  /** Where the run stands; a fresh run stands at step 0. */
  state: TrainerState
  /** What a person should hear before the first step, such as a damaged checkpoint that was passed over. */
  readonly notices: readonly string[]
  dispose(): void
}
