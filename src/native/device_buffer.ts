/** Columns on the CUDA device, for the kernels of `rft/kernels`: what is taken as a typed array is taken as one of these too. */

import { native } from './binding.ts'

export type ColumnArray = Float32Array | Int32Array | Uint8Array
export type ColumnType<A extends ColumnArray> = A extends Float32Array ? 'f32' : A extends Int32Array ? 'i32' : 'u8'

/** Memory of the device, freed by `dispose`, at the end of a `using` block, or with the object. */
export interface DeviceBuffer<A extends ColumnArray = ColumnArray> extends Disposable {
  readonly type: ColumnType<A>
  readonly length: number
  /** @throws when the array has another type or length. */
  upload(values: A): void
  /** Waits for the device. */
  download(): A
  dispose(): void
}

/** A value with device buffers in the place of its typed arrays. */
export type OnDevice<T> = T extends ColumnArray
  ? DeviceBuffer<T>
  : T extends Promise<infer Result>
    ? Promise<OnDevice<Result>>
    : T extends (...args: infer In) => infer Out
      ? (...args: OnDevice<In>) => OnDevice<Out>
      : T extends object
        ? { [K in keyof T]: OnDevice<T[K]> }
        : T

/** A kernel on typed arrays, or on device buffers: then its results stay there. All columns of a call are of one kind. */
export interface Kernel<In extends unknown[], Out> {
  (...args: In): Out
  (...args: OnDevice<In>): OnDevice<Out>
}

/** The binding looks at what a column is, so one function serves both. */
export const kernel = <In extends unknown[], Out>(run: (...args: In) => Out) => run as Kernel<In, Out>

const arrays = { f32: Float32Array, i32: Int32Array, u8: Uint8Array } as const

function allocate<T extends keyof typeof arrays>(
  type: T,
  length: number,
): DeviceBuffer<InstanceType<(typeof arrays)[T]>> {
  const { DeviceBuffer: Native } = native()
  Native.prototype[Symbol.dispose] ??= Native.prototype.dispose
  return new Native(type, length) as DeviceBuffer<InstanceType<(typeof arrays)[T]>>
}

function from<A extends ColumnArray>(values: A): DeviceBuffer<A> {
  const type = values instanceof Float32Array ? 'f32' : values instanceof Int32Array ? 'i32' : 'u8'
  const buffer = allocate(type, values.length) as unknown as DeviceBuffer<A>
  buffer.upload(values)
  return buffer
}

/**
 * `allocate(type, length)` has undefined contents, `from(values)` those of a typed array.
 *
 * @throws `cuda: ..` with the reason and a remedy where there is no device.
 * @example
 * using rewards = DeviceBuffer.from(Float32Array.of(1, 0, 0, 1))
 * using groups = DeviceBuffer.from(Int32Array.of(0, 0, 1, 1))
 * using advantages = groupAdvantage(rewards, groups, { kind: 'rloo' })
 * advantages.download()
 */
export const DeviceBuffer = { allocate, from }
