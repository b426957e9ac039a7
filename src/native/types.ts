/**
 * What crosses between TypeScript and the native addon: plain typed arrays in, plain typed arrays out.
 *
 * Shape letters: `T` packed tokens, `S` segments, `N` scored rows, `P` patches, `M` merged image tokens,
 * `V` vocabulary, `G` samples per prompt.
 */

import type { FinishReason } from '../core/types.ts'

/** Where ops run. */
export type OpsDevice = 'cpu' | 'cuda'
/** `meta` only counts the bytes that one of the others would take. */
export type DeviceName = OpsDevice | 'meta'
/** How weights and activations are stored. Sums are fp32 and so are gradients of weights; `bf16` is for CUDA (and META that counts for it). */
export type DtypeName = 'f32' | 'bf16'
export type StorageDtype = 'F32' | 'BF16' | 'F16'

// ------------------------------------------------------------------ model specification

/** Text decoder features. C++ knows these features; it never sees a family name. */
export interface DecoderSpec {
  vocab: number
  hidden: number
  layers: number
  heads: number
  kvHeads: number
  headDim: number
  ffn: number
  rmsEps: number
  ropeTheta: number
  /** Bias on q, k and v (Qwen2). The output projection never has one. */
  qkvBias: boolean
  /** RMSNorm over each head of q and k (Qwen3). */
  qkNorm: boolean
  /** The head shares the embedding matrix. */
  tiedHead: boolean
  /** Rotary pairs driven by the t, h, w positions; `null` = plain 1-D rotary. Sum = headDim / 2. */
  mropeSection: [number, number, number] | null
}

/** Vision tower features (windowed ViT of Qwen2.5-VL). */
export interface VisionSpec {
  /** Values per patch: channels x temporal x patch x patch. */
  patchDim: number
  hidden: number
  layers: number
  heads: number
  ffn: number
  normEps: number
  ropeTheta: number
  /** Merge x merge patches become one language token. */
  merge: number
  /** Patch side in pixels (window size is given in pixels too). */
  patchSize: number
  /** Attention window side in pixels; `null` = every block sees the whole image. */
  windowSize: number | null
  /** Blocks that see the whole image in spite of the window. */
  fullBlocks: number[]
  outHidden: number
}

/**
 * Low-rank adapters (LoRA, Hu et al. 2021): the named linears compute `x w^T + scale (dropout(x) a^T) b^T`. Their
 * parameters are `<linear>.lora_a.weight` (rank, in) and `<linear>.lora_b.weight` (out, rank).
 */
export interface LoraSpec {
  targets: LoraTarget[]
  /** Share of x that training passes drop. */
  dropout: number
}

export interface LoraTarget {
  /** E.g. `decoder.layers.0.q`. */
  linear: string
  rank: number
  scale: number
}

export interface ModelSpec {
  decoder: DecoderSpec
  vision: VisionSpec | null
  /** Absent or null: no adapters. */
  lora?: LoraSpec | null
  /** A number per token beside the language head (parameters `value_head.weight`, `value_head.bias`): a critic. */
  valueHead?: boolean
}

export interface ParameterInfo {
  /** Our name, e.g. `decoder.layers.0.q.weight` (see src/models for the checkpoint names). */
  name: string
  shape: number[]
  trainable: boolean
}

/** One tensor to be read from (load) a file: `bytes = product(shape) * sizeof(dtype)` at `offset`. */
export interface TensorSource {
  name: string
  file: string
  /** Absolute byte offset in the file. */
  offset: number
  dtype: StorageDtype | 'U8'
  shape: number[]
}

/** One tensor to be written, in file order, right behind `header`. */
export interface TensorSink {
  name: string
  dtype: StorageDtype | 'U8'
}

// ------------------------------------------------------------------ forward input

export interface VisionInput {
  /** One per image; equal keys = equal images, which the engine then encodes once. */
  keys: string[]
  /** (P, patchDim) patches of all distinct images, rows ordered (t, h/merge, w/merge, merge, merge). */
  patches: Float32Array
  /** (images, 3) grid t, h, w in patches. */
  grids: Int32Array
  /** (M') token rows of the pack that hold an image feature. */
  rows: Int32Array
  /** (M') which merged feature goes there: index into the merged tokens of all images in order. */
  features: Int32Array
}

/**
 * A packed batch. Attention sees `segments`, each `[qBegin, qLen, kv0Begin, kv0Len, kv1Begin, kv1Len, causal]`:
 * region 0 is fully visible (a shared prompt), region 1 is the segment's own tokens.
 */
export interface Pack {
  /** (T) token ids. */
  tokens: Int32Array
  /** (3, T) t, h, w positions, row-major. */
  positionIds: Int32Array
  /** (S, 7) */
  segments: Int32Array
  vision: VisionInput | null
}

/** Rows of the pack whose next token is scored. The same row may occur more than once (shared prompts). */
export interface HeadRows {
  /** (N) row of the pack whose hidden state predicts. */
  rows: Int32Array
  /** (N) token that follows. */
  targets: Int32Array
  /** Logits are divided by this. */
  temperature: number
}

/** (N) each. Natural log. Entropy in nats of the whole distribution at the given temperature. */
export interface ScoreOutput {
  logp: Float32Array
  entropy: Float32Array
  /** Of the value head, where the call wants them; empty otherwise. */
  values?: Float32Array
}

// ------------------------------------------------------------------ losses

/** Bounds of a ratio: clipped below 1 - clipLow and above 1 + clipHigh. */
export interface ClipBounds {
  clipLow: number
  clipHigh: number
  /** For A < 0 the loss is at most dualClip x |A|; `null` = off. */
  dualClip: number | null
  /** The unclipped branch sees at most this ratio (two-sided clip); `null` = off. */
  ratioCap: number | null
}

type Bounded<K> = { kind: K } & ClipBounds

/** A policy loss and its constants; one formula each in native/ops/policy_loss and src/algorithms/loss. */
export type PolicyObjective =
  | Bounded<'clip'>
  | Bounded<'clip-cov'>
  | Bounded<'gspo'>
  | Bounded<'gspo-token'>
  | Bounded<'luspo'>
  | Bounded<'sequence-product'>
  | { kind: 'cispo'; bound: 'absolute' | 'relative'; clipLow: number; clipHigh: number }
  | { kind: 'reinforce' }
  | { kind: 'sapo'; tauPositive: number; tauNegative: number }
  | { kind: 'gmpo'; clipLow: number; clipHigh: number }
  | { kind: 'vespo'; kPositive: number; lambdaPositive: number; kNegative: number; lambdaNegative: number }
  | { kind: 'kl-cov'; covCoef: number }

export type KlEstimatorName = 'k1' | 'k2' | 'k3' | 'k3-k2'

/** Columns (N), one value per trained token; what is left out is off. See native/ops/policy_loss. */
export interface PolicyLossInput {
  loss: PolicyObjective
  advantages: Float32Array
  /** Aggregation weight x loss mask: total = sum_i weight_i * loss_i. */
  weights: Float32Array
  /** Log-prob under the policy that sampled; `null` = on-policy, the ratio is exactly 1. */
  oldLogp: Float32Array | null
  /** KL term against a reference; added after every mask and weight. */
  kl?: {
    refLogp: Float32Array
    /** One for all tokens, or (N). */
    coef: number | Float32Array
    estimator: KlEstimatorName
    /** Multiply the term by the ratio. */
    biasCorrected: boolean
  } | null
  /** Factor of the loss: weight of this token against the sampler that drew it. */
  importance?: Float32Array | null
  /** 0 = the token has no loss, only its KL term. */
  keep?: Uint8Array | null
  /** Tokens that pay the price of `kl-cov`. */
  selected?: Uint8Array | null
  /** Log-prob that the sampler reported, NaN where it did not: for the mask below and for `difference` of the sums. */
  sampledLogp?: Float32Array | null
  /** Completions of negative advantage whose mean(sampled - logp) is above it have no loss. Needs `sampledLogp`. */
  offPolicyThreshold?: number | null
  /** d(total)/d(entropy) per token; negative = entropy bonus. Used by `forwardBackward`. */
  entropyWeights?: Float32Array | null
  /** (B + 1) offsets of the completions; needed by `offPolicyThreshold` and by losses of whole completions. */
  sequences?: Int32Array | null
}

/** What one token contributed. */
export interface PolicyLossOutput {
  /** (N) unweighted loss, KL term included. */
  loss: Float32Array
  /** (N) d(total)/d(logp). */
  dlogp: Float32Array
  /** (N) the estimate against the reference, 0 without one. */
  kl: Float32Array
  /** (N) 0 = not clipped, 1 = at the low bound, 2 = at the high bound, 3 = at the dual bound or the cap. */
  clipped: Uint8Array
}

/** Sums over the rows of a micro-batch, in double, for metrics: the columns stay where they were computed. */
export interface PolicyLossSums {
  /** Weight x loss, the KL term included: the micro-batch's share of the total. */
  loss: number
  /** Entropy weight x entropy. */
  bonus: number
  /** The estimate against the reference. */
  kl: number
  /** Of the rows that have a policy loss, in nats; and how many they are. */
  entropy: number
  entropyRows: number
  /** |logp - sampledLogp|, and the largest; 0 without `sampledLogp`. */
  difference: number
  differenceMax: number
  /** (B) sum of clamp(logp - oldLogp, -20, 20) over a completion's trained rows; 0 on-policy. */
  logRatio: Float32Array
  /** (B) rows clipped at the low and at the high bound, per completion. */
  low: Int32Array
  high: Int32Array
}

/** The same of a value loss, over rows of weight other than 0. */
export interface ValueLossSums {
  /** Weight x loss. */
  weighted: number
  loss: number
  clipped: number
  rows: number
}

/** Columns (N) of the value loss 1/2 max((v - R)^2, (clip(v, old - clip, old + clip) - R)^2). */
export interface ValueLossInput {
  returns: Float32Array
  /** `null` = no clip. */
  oldValues: Float32Array | null
  weights: Float32Array
  clip: number
}

export interface ValueLossOutput {
  /** (N) unweighted. */
  loss: Float32Array
  /** (N) d(total)/d(value). */
  dvalue: Float32Array
  /** (N) 1 where the clipped branch is larger. */
  clipped: Uint8Array
}

/** How the rewards of a group become advantages; native/ops/group_advantage/rules.h. */
export type GroupAdvantageRule =
  | { kind: 'group'; scale: 'group' | 'batch' | 'none'; eps: number; ddof?: 0 | 1 }
  | { kind: 'rloo' | 'gpg' }
  | { kind: 'pass-at-k'; eps: number; ddof?: 0 | 1 }
  /** `lengths` (B): trained tokens per completion. */
  | { kind: 'opo'; lengths: Int32Array }
  /** `baselines` (B): reward of the prompt's greedy completion, NaN = none. */
  | { kind: 'remax'; baselines: Float32Array }

export interface GaeInput {
  /** (N) */
  rewards: Float32Array
  /** (N); `null` = 0, and the returns are discounted rewards. */
  values: Float32Array | null
  /** (N) 1 = trained row, 0 = stepped over; `null` = all. */
  mask: Uint8Array | null
  /** (B + 1) offsets of the completions. */
  sequences: Int32Array
}

export type ImportanceLevel = 'token' | 'sequence-product' | 'sequence-geometric'

export interface ImportanceOptions {
  level: ImportanceLevel
  /** truncate: clamp to [low, high]. mask: 0 outside of it. */
  bound: 'truncate' | 'mask'
  low: number
  high: number
}

export interface ImportanceInput {
  oldLogp: Float32Array
  /** NaN = not reported: no correction. */
  sampledLogp: Float32Array
  mask: Uint8Array | null
  sequences: Int32Array
}

/** Losses of the engine (policy, value, or both on one backbone), or the gradient of one's own. */
export type LossInput =
  | { policy: PolicyLossInput; value?: ValueLossInput }
  | { value: ValueLossInput }
  | { dlogp: Float32Array; dentropy?: Float32Array }

/** Of a loss of the engine its sums, and then no columns; of a gradient of one's own the columns of `ScoreOutput`. */
export interface ForwardBackwardOutput extends ScoreOutput {
  /** Present for `{ policy }`. */
  policy: PolicyLossSums | null
  /** Present for `{ value }`. */
  value?: ValueLossSums | null
}

export type ScoreOptions = Pick<ForwardOptions, 'adapters'>

export interface ForwardOptions {
  /** Recompute decoder and vision blocks in backward instead of keeping their activations. */
  recompute?: boolean
  /** False: the model without its low-rank adapters, which is the reference of a LoRA run. Default true. */
  adapters?: boolean
  /** Random stream of what the adapters' dropout drops; 0 or absent: nothing. */
  dropout?: number
}

// ------------------------------------------------------------------ generation

export interface GenerateRequest {
  tokens: Int32Array
  /** (3, T) */
  positionIds: Int32Array
  vision: VisionInput | null
  /** Position (all three axes) of the first generated token. */
  nextPosition: number
  /** Completions to draw; the prompt and its images are computed once for all of them. */
  samples: number
  /** Philox stream of sample 0; sample i uses `stream + i`. A sample depends on (seed, stream) only. */
  stream: number
}

/**
 * fp32: log-probs are the trainer's bit for bit. bf16: matrices rounded to nearest, products and sums in fp32; the bits
 * are those of a model whose decoder matrices and head are so rounded.
 */
export type RolloutWeights = 'fp32' | 'bf16'

export interface GenerateOptions {
  maxNewTokens: number
  /** 0 = greedy. Log-probs are then at temperature 1. */
  temperature: number
  /** 0 = off. */
  topK: number
  /** 1 = off. */
  topP: number
  /** 0 = off. */
  minP: number
  seed: number
  /** Sampling one of these ends the completion; the token is kept. */
  stopTokens: Int32Array
  /** Never sampled. Log-probs stay those of the whole distribution. */
  forbiddenTokens: Int32Array
  /** Text that ends a completion. Needs `tokenBytes`. */
  stopStrings?: string[]
  /** Bytes of every token: token i is `bytes[offsets[i] .. offsets[i + 1])`. */
  tokenBytes?: { bytes: Uint8Array; offsets: Uint32Array }
  /** The decoder's matrices; default fp32. */
  weights?: RolloutWeights
  /** Bytes of keys and values alive at once; 0 = no limit. Prompts wait until there is room; one sequence always runs. */
  kvBudget?: number
  /** When aborted, resolve with what has started (`finish: 'aborted'`) instead of rejecting. */
  partial?: boolean
  /** A training pass on the same images follows: the vision tower then runs once for both. */
  keepVision?: boolean
  /** Sequences decoded at once; 0 = the engine chooses. */
  maxSequences?: number
}

export interface Generated {
  /** Index of the request, and of the sample within it. */
  request: number
  sample: number
  tokens: Int32Array
  /** Log-prob of each token under the untruncated distribution at the sampling temperature. */
  logp: Float32Array
  entropy: Float32Array
  finish: FinishReason
}

export interface GenerateProgress {
  finished: number
  total: number
  tokens: number
}

// ------------------------------------------------------------------ optimizer

export interface AdamWOptions {
  beta1: number
  beta2: number
  eps: number
  weightDecay: number
  /** Parameters without weight decay. */
  noDecay: string[]
  /** Learning rate of a value head, as a multiple of that of everything else; default 1. */
  headLrFactor?: number
  /** How the two moments are stored, 8, 4 or about 2 bytes a parameter; default f32. */
  state?: OptimizerStateName
  /** How gradients are stored between packs; default f32. */
  gradDtype?: DtypeName
  /** bf16 weights are updated in place and rounded at random, without an fp32 copy; default false. */
  stochasticRounding?: boolean
  /** State lives in pinned memory of the host and visits the GPU in pieces; CUDA only; default false. */
  offload?: boolean
  /** Of the noise of stochastic rounding; default 0. */
  seed?: number
}

export type OptimizerStateName = 'f32' | 'bf16' | '8bit'

/** A tensor that an update depends on, besides weights and gradients. */
export interface StateTensor {
  /** `m.<parameter>`, `v.<parameter>`, `m_scales.<parameter>`, `v_scales.<parameter>` or `master.<parameter>`. */
  name: string
  shape: number[]
  dtype: 'F32' | 'BF16' | 'U8'
}

export interface OptimizerStepInput {
  lr: number
  /** Global L2 norm limit; 0 = no clipping. */
  maxGradNorm: number
}

export interface OptimizerStepOutput {
  /** Global L2 norm before clipping. */
  gradNorm: number
  /** A non-finite norm: nothing was changed, the gradients were dropped. */
  skipped: boolean
}

// ------------------------------------------------------------------ memory and environment

/** Bytes. */
export interface MemoryReport {
  weights: number
  gradients: number
  optimizer: number
  activations: number
  /** What the vision tower computes, and the features kept of it. */
  images: number
  kvCache: number
  /** Packed weights during generation, and what ops need while they run. */
  workspace: number
  peak: number
}

/** Bytes now, and what the vision tower has done. */
export interface MemoryState {
  live: number
  /** In use or kept for reuse: what the process holds. */
  reserved: number
  /** Bytes of pinned host memory that the weights of an offloaded model take; they are not in the other figures. */
  offloaded: number
  /** Bytes of image features that may be kept for later steps. */
  imageCacheLimit: number
  /** Images that went through the vision tower so far. */
  imagesEncoded: number
}

export interface CudaInfo {
  available: boolean
  /** '' when available, else not-built, no-driver, driver-too-old, no-device, no-kernel-image or error. */
  code: string
  /** Why it is not available, with a remedy; empty when it is. */
  reason: string
  devices: { name: string; computeCapability: string; totalMemory: number }[]
}

export interface NativeInfo {
  version: string
  isa: 'avx512' | 'avx2' | 'portable'
  cpuFeatures: string[]
  threads: number
  cuda: CudaInfo
}
