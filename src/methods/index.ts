/** All methods. To add one: one file with `defineMethod`, one line here. */
import { accuracyFilter } from './accuracy_filter.ts'
import { curriculumStages } from './curriculum_stages.ts'
import { difficultySampling } from './difficulty_sampling.ts'
import { fastSlow } from './fast_slow.ts'
import { forcedRethinking } from './forced_rethinking.ts'
import { imageAugmentation } from './image_augmentation.ts'
import { noisyRollout } from './noisy_rollout.ts'
import { progressiveLength } from './progressive_length.ts'
import { replayBuffer } from './replay_buffer.ts'
import { sampleReplay } from './sample_replay.ts'
import { temporalContrast } from './temporal_contrast.ts'

export const methods = {
  noisy_rollout: noisyRollout,
  image_augmentation: imageAugmentation,
  sample_replay: sampleReplay,
  replay_buffer: replayBuffer,
  forced_rethinking: forcedRethinking,
  fast_slow: fastSlow,
  temporal_contrast: temporalContrast,
  accuracy_filter: accuracyFilter,
  curriculum_stages: curriculumStages,
  progressive_length: progressiveLength,
  difficulty_sampling: difficultySampling,
} as const
export type MethodName = keyof typeof methods

export { ComposedStages, findConflict, type NamedStages } from './compose.ts'
export type {
  Continuation,
  Limits,
  Method,
  Pixels,
  ReplayItem,
  Sample,
  SampleGroup,
  Stage,
  Stages,
  Variant,
} from './define.ts'
