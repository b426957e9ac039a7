/**
 * The native kernels of reinforcement fine-tuning on their own, for other trainers: typed arrays in, typed arrays out; or
 * device buffers in, device buffers out.
 *
 * @example
 * import { groupAdvantage } from 'rft/kernels'
 * groupAdvantage(Float32Array.of(1, 0, 0, 1), Int32Array.of(0, 0, 1, 1), { kind: 'group', scale: 'group', eps: 1e-4 })
 *
 * @packageDocumentation
 */

export { type ColumnArray, DeviceBuffer, type Kernel, type OnDevice } from './native/device_buffer.ts'
export {
  gae,
  gdpo,
  groupAdvantage,
  importanceRatio,
  kl,
  policyLoss,
  standardize,
  valueLoss,
  whiten,
} from './native/kernels.ts'
export {
  type AdamWStep,
  type AttentionOptions,
  type AttentionSegment,
  adamw,
  attention,
  type Differentiable,
  layerNorm,
  rmsNorm,
  tokenLogp,
  type Wanted,
} from './native/op_kernels.ts'
export type {
  ClipBounds,
  GaeInput,
  GroupAdvantageRule,
  ImportanceInput,
  ImportanceOptions,
  KlEstimatorName,
  PolicyLossInput,
  PolicyLossOutput,
  PolicyObjective,
  ValueLossInput,
  ValueLossOutput,
} from './native/types.ts'
