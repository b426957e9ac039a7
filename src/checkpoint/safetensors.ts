/**
 * Safetensors headers: 8 bytes little-endian length, a JSON object, then the tensor bytes without gaps.
 *
 * A header comes from a stranger. Everything it claims is checked against the file before anybody allocates or seeks:
 * its length, the JSON, names, dtypes, shapes, and that the tensors tile the data section exactly.
 */

import { type FileHandle, open } from 'node:fs/promises'
import { InputError } from '../core/errors.ts'

/** Bytes per value. */
export const dtypeBytes = {
  BOOL: 1,
  U8: 1,
  I8: 1,
  F8_E5M2: 1,
  F8_E4M3: 1,
  I16: 2,
  U16: 2,
  F16: 2,
  BF16: 2,
  I32: 4,
  U32: 4,
  F32: 4,
  F64: 8,
  I64: 8,
  U64: 8,
} as const

export type SafetensorsDtype = keyof typeof dtypeBytes

export interface TensorEntry {
  name: string
  dtype: SafetensorsDtype
  shape: number[]
  /** Absolute byte offset in the file. */
  offset: number
  bytes: number
}

export interface SafetensorsFile {
  file: string
  tensors: Map<string, TensorEntry>
  metadata: Readonly<Record<string, unknown>>
}

/** The longest header anybody writes is a few MB; the format itself allows 100 MB. */
const MAX_HEADER = 100_000_000

/**
 * Reads and checks the header of a safetensors file. Throws InputError naming the file (and the tensor).
 *
 * @example
 * const { tensors } = await readSafetensors('model.safetensors')
 * tensors.get('lm_head.weight')?.shape
 */
export async function readSafetensors(file: string): Promise<SafetensorsFile> {
  const handle = await openFile(file)
  try {
    const { size } = await handle.stat()
    const length = await headerLength(handle, file, size)
    const bytes = Buffer.alloc(length)
    const { bytesRead } = await handle.read(bytes, 0, length, 8)
    if (bytesRead !== length) throw new InputError(file, `a header of ${length} bytes`, bytesRead, damaged)
    return parseHeader(file, bytes, size)
  } finally {
    await handle.close()
  }
}

const damaged = 'The file is damaged or not a safetensors file'

async function openFile(file: string): Promise<FileHandle> {
  try {
    return await open(file, 'r')
  } catch (cause) {
    throw new InputError(file, 'a readable safetensors file', (cause as NodeJS.ErrnoException).code, '', { cause })
  }
}

async function headerLength(handle: FileHandle, file: string, size: number): Promise<number> {
  if (size < 8) throw new InputError(file, 'at least 8 bytes', size, damaged)
  const prefix = Buffer.alloc(8)
  await handle.read(prefix, 0, 8, 0)
  const length = prefix.readBigUInt64LE()
  const limit = Math.min(MAX_HEADER, size - 8)
  if (length > BigInt(limit)) throw new InputError(file, `a header of at most ${limit} bytes`, String(length), damaged)
  return Number(length)
}

/** `size` is that of the whole file. */
export function parseHeader(file: string, bytes: Uint8Array, size: number): SafetensorsFile {
  const header = parseJson(file, bytes)
  const tensors = new Map<string, TensorEntry>()
  const dataOffset = 8 + bytes.length
  let metadata: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(header)) {
    if (!isRecord(value)) throw new InputError(`${file} "${name}"`, 'an object', value, damaged)
    if (name === '__metadata__') metadata = value
    else tensors.set(name, parseEntry(`${file} tensor "${name}"`, name, value, dataOffset))
  }
  checkTiling(file, tensors, dataOffset, size)
  return { file, tensors, metadata }
}

function parseJson(file: string, bytes: Uint8Array): Record<string, unknown> {
  let value: unknown
  let text: string
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes)
    value = JSON.parse(text)
  } catch (cause) {
    throw new InputError(`${file} header`, 'JSON', (cause as Error).message, damaged, { cause })
  }
  if (!isRecord(value)) throw new InputError(`${file} header`, 'a JSON object', value, damaged)
  const seen = new Set<string>()
  for (const key of topLevelKeys(text)) {
    if (seen.has(key)) throw new InputError(`${file} header`, 'every tensor once', `"${key}" twice`, damaged)
    seen.add(key)
  }
  return value
}

function parseEntry(where: string, name: string, value: Record<string, unknown>, dataOffset: number): TensorEntry {
  const { dtype, shape, data_offsets: offsets } = value
  if (typeof dtype !== 'string' || !Object.hasOwn(dtypeBytes, dtype))
    throw new InputError(`${where} dtype`, `one of ${Object.keys(dtypeBytes).join(', ')}`, dtype)
  if (!isCounts(shape)) throw new InputError(`${where} shape`, 'a list of integers >= 0', shape, damaged)
  if (!isCounts(offsets) || offsets.length !== 2 || offsets[0]! > offsets[1]!)
    throw new InputError(`${where} data_offsets`, '[begin, end] with begin <= end', offsets, damaged)
  const bytes = shape.reduce((product, n) => product * n, dtypeBytes[dtype as SafetensorsDtype])
  if (bytes !== offsets[1]! - offsets[0]!)
    throw new InputError(`${where} data_offsets`, `${bytes} bytes for ${dtype} [${shape}]`, offsets, damaged)
  return { name, dtype: dtype as SafetensorsDtype, shape, offset: dataOffset + offsets[0]!, bytes }
}

/** The tensors must cover the data section without overlap and without a hole. */
function checkTiling(file: string, tensors: Map<string, TensorEntry>, dataOffset: number, size: number): void {
  const order = [...tensors.values()].sort((a, b) => a.offset - b.offset || a.bytes - b.bytes)
  let end = dataOffset
  for (const tensor of order) {
    const where = `${file} tensor "${tensor.name}" data_offsets`
    if (tensor.offset < end) throw new InputError(where, 'no overlap with another tensor', tensor.offset - dataOffset)
    if (tensor.offset > end)
      throw new InputError(where, `begin ${end - dataOffset}`, tensor.offset - dataOffset, damaged)
    end = tensor.offset + tensor.bytes
    if (end > size) throw new InputError(where, `data up to byte ${size} of the file`, end, 'The file is truncated')
  }
  if (end !== size) throw new InputError(file, `${end} bytes by its header`, size, damaged)
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isCounts(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((n) => Number.isSafeInteger(n) && n >= 0)
}

/** Keys of the outermost object of a valid JSON text, in order and with repetitions (JSON.parse keeps the last only). */
function* topLevelKeys(text: string): Generator<string> {
  let [depth, keyNext] = [0, false]
  for (let i = 0; i < text.length; i++) {
    const c = text[i]
    if (c === '"') {
      const begin = i
      for (i++; text[i] !== '"'; i++) if (text[i] === '\\') i++
      if (depth === 1 && keyNext) yield JSON.parse(text.slice(begin, i + 1)) as string
      keyNext = false
    } else if (c === '{' || c === '[') {
      depth++
      keyNext = c === '{'
    } else if (c === '}' || c === ']') depth--
    else if (c === ',') keyNext = true
  }
}

// ------------------------------------------------------------------ writing and small reads

/**
 * The first bytes of a file that holds `tensors` in this order: length, JSON, padding. Data starts 8-byte aligned.
 * `metadata.format` is `pt`, which some readers insist on.
 */
export function buildHeader(
  tensors: readonly { name: string; dtype: SafetensorsDtype; shape: readonly number[] }[],
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array {
  const entries: [string, unknown][] = [['__metadata__', { format: 'pt', ...metadata }]]
  let end = 0
  for (const { name, dtype, shape } of tensors) {
    const begin = end
    end += shape.reduce((product, n) => product * n, dtypeBytes[dtype])
    entries.push([name, { dtype, shape, data_offsets: [begin, end] }])
  }
  const json = Buffer.from(JSON.stringify(Object.fromEntries(entries)))
  const length = Math.ceil(json.length / 8) * 8
  const out = Buffer.alloc(8 + length, ' ')
  out.writeBigUInt64LE(BigInt(length))
  json.copy(out, 8)
  return out
}

export interface TensorValues {
  shape: number[]
  data: Float32Array | Float64Array | Int32Array | Uint8Array | BigInt64Array
}

/** Reads one tensor into memory; 16-bit floats widen to fp32. For small tensors: models are read by the native side. */
export async function readTensor(source: SafetensorsFile, name: string): Promise<TensorValues> {
  const entry = source.tensors.get(name)
  if (!entry) throw new InputError(source.file, `a tensor "${name}"`, `${source.tensors.size} other tensors`)
  const handle = await openFile(source.file)
  try {
    const bytes = Buffer.alloc(entry.bytes)
    await handle.read(bytes, 0, entry.bytes, entry.offset)
    return { shape: entry.shape, data: decodeValues(bytes, entry, source.file) }
  } finally {
    await handle.close()
  }
}

function decodeValues(bytes: Buffer, entry: TensorEntry, file: string): TensorValues['data'] {
  const buffer = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length) as ArrayBuffer
  switch (entry.dtype) {
    case 'F32':
      return new Float32Array(buffer)
    case 'F64':
      return new Float64Array(buffer)
    case 'I32':
      return new Int32Array(buffer)
    case 'I64':
      return new BigInt64Array(buffer)
    case 'U8':
    case 'BOOL':
      return new Uint8Array(buffer)
    case 'BF16':
      return new Float32Array(Uint32Array.from(new Uint16Array(buffer), (half) => half << 16).buffer)
    default:
      throw new InputError(`${file} tensor "${entry.name}"`, 'F32, F64, BF16, I32, I64, U8 or BOOL', entry.dtype)
  }
}
