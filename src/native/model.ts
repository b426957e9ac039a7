/** A model on a device: weights, gradients, and the engine that scores, trains and generates with them. */

import { type LogitsOutput, type NativeModel, native } from './binding.ts'
import { nativeCall } from './call.ts'
import type {
  DeviceName,
  DtypeName,
  ForwardBackwardOutput,
  ForwardOptions,
  Generated,
  GenerateOptions,
  GenerateProgress,
  GenerateRequest,
  HeadRows,
  LossInput,
  MemoryReport,
  MemoryState,
  ModelSpec,
  OpsDevice,
  Pack,
  ParameterInfo,
  ScoreOptions,
  ScoreOutput,
  TensorSink,
  TensorSource,
} from './types.ts'

/** Random streams of one step; more passes than this in a step would share them with the next. */
const passesPerStep = 2 ** 20

export interface Abortable {
  signal?: AbortSignal
}

/** Where a model lives and how it is stored. */
export interface ModelPlace {
  device?: DeviceName
  dtype?: DtypeName
  countsFor?: OpsDevice
}

/**
 * Calls on one model run in the order they were made. A disposed model frees its memory once running calls end.
 *
 * @example
 * const model = await Model.create(spec)
 * await model.load(checkpoint.sources)
 * const { logp } = await model.score(pack, head)
 * model.dispose()
 */
export class Model implements Disposable {
  readonly spec: ModelSpec
  /** How weights are stored. */
  readonly dtype: DtypeName
  readonly native: NativeModel

  private constructor(spec: ModelSpec, dtype: DtypeName, handle: NativeModel) {
    this.spec = spec
    this.dtype = dtype
    this.native = handle
  }

  /**
   * Allocates the parameters; their values are undefined until `load` or `initRandom`. `meta` only counts bytes: those
   * that the device `countsFor` (cpu) would take, which need not be there.
   *
   * @throws Error `cuda: unavailable, <why>` when CUDA is asked for and not there.
   */
  static async create(
    spec: ModelSpec,
    { device = 'cpu', dtype = 'f32', countsFor = 'cpu' }: ModelPlace = {},
  ): Promise<Model> {
    return new Model(spec, dtype, new (native().Model)(spec, device, dtype, countsFor))
  }

  parameters(): ParameterInfo[] {
    return this.native.parameters()
  }

  /** Matrices N(0, 1 / inputs) (less where they write into the residual stream), norm weights 1, biases 0; each parameter from its own random stream. */
  initRandom(seed: number): Promise<void> {
    return nativeCall(() => this.native.initRandom(seed))
  }

  /** Low-rank adapters that add nothing yet: a uniform in +-1 / sqrt(inputs), b = 0. */
  initAdapters(seed: number): Promise<void> {
    return nativeCall(() => this.native.initAdapters(seed))
  }

  /** Adds each low-rank adapter to its weight; its `b` becomes 0, so the model computes what it did. */
  mergeAdapters(): Promise<void> {
    return nativeCall(() => this.native.mergeAdapters())
  }

  /** Dropout of a step's training passes follows from (step, place of the pass in the step). */
  beginStep(step: number): void {
    this.#pass = step * passesPerStep
  }

  #pass = 0

  #nextDropout(): number {
    return this.spec.lora?.dropout ? ++this.#pass : 0
  }

  /** Reads tensors from files into fp32 parameters. @throws on short files and wrong shapes, naming file and tensor. */
  load(sources: TensorSource[], options: Abortable = {}): Promise<void> {
    return nativeCall((abort) => this.native.load(sources, { abort }), options.signal)
  }

  /** Writes `header` and then the tensors; not synced to disk. @throws with the system's reason; no partial file is left. */
  save(file: string, header: Uint8Array, sinks: TensorSink[]): Promise<void> {
    return nativeCall(() => this.native.save(file, header, sinks))
  }

  copyFrom(other: Model): Promise<void> {
    return nativeCall(() => this.native.copyFrom(other.native))
  }

  /** Every parameter becomes share x other + (1 - share) x itself. Parameters that `other` lacks stay. */
  mixFrom(other: Model, share: number): Promise<void> {
    return nativeCall(() => this.native.mixFrom(other.native, share))
  }

  readParameter(name: string): Promise<Float32Array> {
    return nativeCall(() => this.native.readParameter(name))
  }

  writeParameter(name: string, data: Float32Array): Promise<void> {
    return nativeCall(() => this.native.writeParameter(name, data))
  }

  /** @throws when the parameter has no gradient yet. */
  readGradient(name: string): Promise<Float32Array> {
    return nativeCall(() => this.native.readGradient(name))
  }

  /** Frozen parameters keep no gradients. */
  setTrainable(names: string[], trainable: boolean): Promise<void> {
    return nativeCall(() => this.native.setTrainable(names, trainable))
  }

  zeroGrad(): Promise<void> {
    return nativeCall(() => this.native.zeroGrad())
  }

  /** Log-prob and entropy of each target, without a tape. */
  score(pack: Pack, head: HeadRows, options: ScoreOptions & Abortable = {}): Promise<ScoreOutput> {
    const { adapters, signal } = options
    return nativeCall((abort) => this.native.score(pack, head, { abort, adapters }), signal)
  }

  /**
   * Forward and backward in one call; gradients are added to those already there.
   *
   * @example
   * const { policy } = await model.forwardBackward(pack, head, { policy: { loss, advantages, weights, oldLogp: null } })
   * console.log(policy!.loss)
   */
  forwardBackward(
    pack: Pack,
    head: HeadRows,
    loss: LossInput,
    options: ForwardOptions & Abortable = {},
  ): Promise<ForwardBackwardOutput> {
    const { recompute, adapters, dropout = this.#nextDropout(), signal } = options
    const pass = { recompute, adapters, dropout }
    return nativeCall((abort) => this.native.forwardBackward(pack, head, loss, { abort, ...pass }), signal)
  }

  /** (N) values of the given rows; for models with a value head. */
  values(pack: Pack, rows: Int32Array, options: Abortable = {}): Promise<Float32Array> {
    return nativeCall((abort) => this.native.values(pack, rows, { abort }), options.signal)
  }

  /** (N, hidden) states of the given rows behind the final norm: what heads of other models read. */
  hidden(pack: Pack, rows: Int32Array, options: Abortable = {}): Promise<Float32Array> {
    return nativeCall((abort) => this.native.hidden(pack, rows, { abort }), options.signal)
  }

  /** For losses written in TypeScript: forward keeps its activations until `backward`. */
  forward(pack: Pack, head: HeadRows, options: ForwardOptions & Abortable = {}): Promise<ScoreOutput> {
    const { recompute, adapters, dropout = this.#nextDropout(), signal } = options
    return nativeCall((abort) => this.native.forward(pack, head, { abort, recompute, adapters, dropout }), signal)
  }

  /** dlogp (N) = d(loss)/d(logp) of the last `forward`; dentropy (N) likewise. */
  backward(dlogp: Float32Array, dentropy?: Float32Array): Promise<void> {
    return nativeCall(() => this.native.backward(dlogp, dentropy ?? null))
  }

  /** (N, V) logits of the given rows and, with `trace`, every named hidden state. For inspection. */
  logits(pack: Pack, rows: Int32Array, options: { trace?: boolean } = {}): Promise<LogitsOutput> {
    return nativeCall(() => this.native.logits(pack, rows, options))
  }

  /** Completions ordered by (request, sample). A sample depends on (weights, prompt, seed, stream) only. */
  generate(
    requests: GenerateRequest[],
    options: GenerateOptions,
    hooks: Abortable & { onProgress?: (progress: GenerateProgress) => void } = {},
  ): Promise<Generated[]> {
    const { signal, onProgress } = hooks
    return nativeCall((abort) => this.native.generate(requests, options, { abort, onProgress }), signal)
  }

  /**
   * The weights leave the CUDA device for pinned host memory. The next pass brings a copy, which stays until this is
   * called again; they are written on the host alone, so leaving copies nothing. For models that are not trained.
   *
   * @throws Error for a model on the CPU, and when the host has no room.
   */
  offload(): Promise<void> {
    return nativeCall(() => this.native.offload())
  }

  /** Bytes by purpose at the time of the highest total, and bytes now. */
  memory(): MemoryReport & MemoryState {
    return this.native.memory()
  }

  /** Starts a new peak measurement. */
  resetPeak(): void {
    this.native.resetPeak()
  }

  dispose(): void {
    this.native.dispose()
  }

  [Symbol.dispose](): void {
    this.dispose()
  }
}
