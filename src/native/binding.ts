/** Loads the native addon. The only file that names it. */

import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import type { DeviceBuffer } from './device_buffer.ts'
import type {
  AdamWOptions,
  DeviceName,
  DtypeName,
  ForwardBackwardOutput,
  GaeInput,
  Generated,
  GenerateOptions,
  GenerateProgress,
  GenerateRequest,
  GroupAdvantageRule,
  HeadRows,
  ImportanceInput,
  ImportanceOptions,
  KlEstimatorName,
  LossInput,
  MemoryReport,
  MemoryState,
  ModelSpec,
  NativeInfo,
  OpsDevice,
  OptimizerStepInput,
  OptimizerStepOutput,
  Pack,
  ParameterInfo,
  PolicyLossInput,
  PolicyLossOutput,
  ScoreOutput,
  StateTensor,
  TensorSink,
  TensorSource,
  ValueLossInput,
  ValueLossOutput,
} from './types.ts'

export type NormalisedRule = Omit<Extract<GroupAdvantageRule, { kind: 'group' }>, 'kind'>

/** An opaque flag that stops the call it was given to. */
export type AbortFlag = { readonly __abort: unique symbol }

export interface CallOptions<P = never> {
  abort?: AbortFlag
  onProgress?: (progress: P) => void
  recompute?: boolean
  adapters?: boolean
  dropout?: number
}

export interface LogitsOutput {
  /** (N, V) */
  logits: Float32Array
  /** Intermediate tensors by name, when `trace` was asked for. */
  hidden: Record<string, Float32Array>
}

/** What a kernel keeps for its backward pass. */
export type KernelCall = { readonly __call: unique symbol }

export interface KernelOutput {
  outputs: Float32Array[]
  call: KernelCall
}

export interface NativeModel {
  initRandom(seed: number, options?: CallOptions): Promise<void>
  initAdapters(seed: number): Promise<void>
  mergeAdapters(): Promise<void>
  load(sources: TensorSource[], options?: CallOptions): Promise<void>
  save(file: string, header: Uint8Array, sinks: TensorSink[], options?: CallOptions): Promise<void>
  copyFrom(other: NativeModel, options?: CallOptions): Promise<void>
  mixFrom(other: NativeModel, share: number): Promise<void>
  parameters(): ParameterInfo[]
  readParameter(name: string): Promise<Float32Array>
  writeParameter(name: string, data: Float32Array): Promise<void>
  readGradient(name: string): Promise<Float32Array>
  setTrainable(names: string[], trainable: boolean): Promise<void>
  zeroGrad(): Promise<void>
  score(pack: Pack, head: HeadRows, options?: CallOptions): Promise<ScoreOutput>
  forward(pack: Pack, head: HeadRows, options?: CallOptions): Promise<ScoreOutput>
  backward(dlogp: Float32Array, dentropy: Float32Array | null, options?: CallOptions): Promise<void>
  forwardBackward(pack: Pack, head: HeadRows, loss: LossInput, options?: CallOptions): Promise<ForwardBackwardOutput>
  values(pack: Pack, rows: Int32Array, options?: CallOptions): Promise<Float32Array>
  hidden(pack: Pack, rows: Int32Array, options?: CallOptions): Promise<Float32Array>
  logits(pack: Pack, rows: Int32Array, options?: CallOptions & { trace?: boolean }): Promise<LogitsOutput>
  generate(
    requests: GenerateRequest[],
    options: GenerateOptions,
    call?: CallOptions<GenerateProgress>,
  ): Promise<Generated[]>
  offload(): Promise<void>
  memory(): MemoryReport & MemoryState
  resetPeak(): void
  dispose(): void
}

export interface NativeOptimizer {
  readonly steps: number
  readonly offloaded: number
  states(): StateTensor[]
  step(input: OptimizerStepInput): Promise<OptimizerStepOutput>
  save(file: string, header: Uint8Array, sinks: TensorSink[]): Promise<void>
  load(sources: TensorSource[], steps: number): Promise<void>
  dispose(): void
}

export interface NativeModule {
  Model: new (spec: ModelSpec, device: DeviceName, dtype: DtypeName, countsFor: OpsDevice) => NativeModel
  Optimizer: new (model: NativeModel, options: AdamWOptions) => NativeOptimizer
  info(): NativeInfo
  setThreads(threads: number): void
  shutdownAll(): void
  createAbort(): AbortFlag
  abort(flag: AbortFlag): void
  DeviceBuffer: (new (type: string, length: number) => DeviceBuffer) & { prototype: DeviceBuffer }
  policyLoss(logp: Float32Array, input: PolicyLossInput): PolicyLossOutput
  kl(
    logp: Float32Array,
    refLogp: Float32Array,
    estimator: KlEstimatorName,
  ): { value: Float32Array; slope: Float32Array }
  valueLoss(values: Float32Array, input: ValueLossInput): ValueLossOutput
  groupAdvantage(rewards: Float32Array, groupIds: Int32Array, rule: GroupAdvantageRule): Float32Array
  gdpo(rewards: Float32Array, weights: Float32Array, groupIds: Int32Array, rule: NormalisedRule): Float32Array
  standardize(values: Float32Array, options: { eps: number; ddof: 0 | 1 }): Float32Array
  whiten(values: Float32Array, counts: Int32Array | null, options: { shiftMean: boolean }): Float32Array
  gae(input: GaeInput, options: { gamma: number; lambda: number }): { advantages: Float32Array; returns: Float32Array }
  importanceRatio(input: ImportanceInput, options: ImportanceOptions): Float32Array
  rmsNorm(x: Float32Array, w: Float32Array, eps: number, wanted: boolean[]): Promise<KernelOutput>
  layerNorm(x: Float32Array, w: Float32Array, b: Float32Array, eps: number, wanted: boolean[]): Promise<KernelOutput>
  attention(
    q: Float32Array,
    k: Float32Array,
    v: Float32Array,
    options: { heads: number; kvHeads: number; headDim: number; scale: number; segments: Int32Array },
    wanted: boolean[],
  ): Promise<KernelOutput>
  tokenLogp(
    x: Float32Array,
    w: Float32Array,
    targets: Int32Array,
    temperature: number,
    wanted: boolean[],
  ): Promise<KernelOutput>
  kernelBackward(call: KernelCall, gradients: (Float32Array | null)[]): Promise<(Float32Array | null)[]>
  adamw(
    parameter: Float32Array,
    gradient: Float32Array,
    m: Float32Array,
    v: Float32Array,
    step: number,
    options: { lr: number; beta1: number; beta2: number; eps: number; weightDecay: number; gradScale: number },
  ): void
  resizeBicubic(rgb: Uint8Array, width: number, height: number, outWidth: number, outHeight: number): Uint8Array
}

/** No binary loads on this machine; the message says why and what to do. */
export class NativeLoadError extends Error {
  override name = 'NativeLoadError'
}

const root = path.join(path.dirname(fileURLToPath(import.meta.url)), '..', '..')
const require = createRequire(import.meta.url)
let loaded: NativeModule | undefined

function packageVersion(): string {
  return (JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8')) as { version: string }).version
}

function loadError(cause: unknown): NativeLoadError {
  const prebuilds = path.join(root, 'prebuilds')
  const log = path.join(root, 'build', 'install.log')
  const lines = [
    `rft: expected a native binary for ${process.platform}-${process.arch} (Node ${process.versions.node}) but received none that loads`,
    `  prebuilt here: ${existsSync(prebuilds) ? readdirSync(prebuilds).join(', ') : 'none'}`,
    `  first cause:   ${(cause as Error).message.trim().split('\n')[0]}`,
  ]
  if (existsSync(log)) lines.push(`  build log:     ${log}`)
  lines.push('  to build it:   npx rft build   (needs CMake 3.24 or newer and a C++20 compiler)')
  return new NativeLoadError(lines.join('\n'), { cause })
}

/**
 * The addon, loaded on first use.
 *
 * @throws NativeLoadError when no binary loads, or a stale build of another version was found.
 */
export function native(): NativeModule {
  if (loaded) return loaded
  let module: NativeModule
  try {
    module = require('node-gyp-build')(root) as NativeModule
  } catch (cause) {
    throw loadError(cause)
  }
  const found = module.info().version
  if (found !== packageVersion()) {
    throw new NativeLoadError(
      `rft: expected native version ${packageVersion()} but received ${found}. Run npx rft build, or remove build/.`,
    )
  }
  loaded = module
  // process.exit() runs no Node-API clean-up hooks on the main thread
  process.once('exit', () => module.shutdownAll())
  return module
}
