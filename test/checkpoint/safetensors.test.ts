import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { buildHeader, readSafetensors, readTensor } from '../../src/checkpoint/safetensors.ts'
import { InputError } from '../../src/core/errors.ts'
import { fixture } from '../harness/fixtures.ts'

let dir = ''
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'rft-safetensors-'))
})
afterAll(() => rm(dir, { recursive: true }))

let files = 0
async function write(...parts: (Uint8Array | string)[]): Promise<string> {
  const file = join(dir, `${files++}.safetensors`)
  await writeFile(file, Buffer.concat(parts.map((part) => Buffer.from(part))))
  return file
}

/** A file with this header text and `dataBytes` zero bytes; `length` overrides the honest header length. */
async function lying(header: string, dataBytes = 0, length = BigInt(Buffer.byteLength(header))): Promise<string> {
  const prefix = Buffer.alloc(8)
  prefix.writeBigUInt64LE(length)
  return write(prefix, header, new Uint8Array(dataBytes))
}

const entry = (begin: number, end: number, shape: unknown = [(end - begin) / 4], dtype: unknown = 'F32') =>
  JSON.stringify({ dtype, shape, data_offsets: [begin, end] })

describe('reading', () => {
  it('reads the header of a file by transformers', async () => {
    const { tensors, metadata } = await readSafetensors(fixture('models/qwen2/model.safetensors'))
    expect(metadata).toEqual({ format: 'pt' })
    const norm = tensors.get('model.norm.weight')!
    expect(norm).toMatchObject({ dtype: 'F32', shape: [80], bytes: 320 })
    expect(norm.offset + norm.bytes).toBeLessThanOrEqual(1272152)
  })

  it('widens bfloat16', async () => {
    const name = 'model.layers.0.self_attn.q_proj.bias'
    const half = await readTensor(await readSafetensors(fixture('models/qwen2__bf16/model.safetensors')), name)
    const full = await readTensor(await readSafetensors(fixture('models/qwen2/model.safetensors')), name)
    expect(half.shape).toEqual(full.shape)
    for (const [i, value] of half.data.entries()) {
      const exact = Number(full.data[i])
      expect(Math.abs(Number(value) - exact)).toBeLessThanOrEqual(Math.abs(exact) / 256)
    }
    expect(half.data.some((value) => value !== 0)).toBe(true)
  })

  it('accepts tensors in any order, empty ones, and no metadata', async () => {
    const file = await lying(`{"b":${entry(8, 12)},"e":${entry(8, 8, [0, 3])},"a":${entry(0, 8)}}`, 12)
    const { tensors } = await readSafetensors(file)
    expect([...tensors.keys()]).toEqual(['b', 'e', 'a'])
  })

  it('names the tensor it cannot find', async () => {
    const source = await readSafetensors(fixture('models/qwen2/model.safetensors'))
    await expect(readTensor(source, 'nope')).rejects.toThrow(/a tensor "nope"/)
  })
})

describe('damaged and lying headers', () => {
  const a = entry(0, 8)
  it.each<[string, () => Promise<string>, RegExp]>([
    ['missing file', async () => join(dir, 'none'), /a readable safetensors file but received "ENOENT"/],
    ['empty file', () => write(''), /at least 8 bytes but received 0/],
    ['header past the end', () => lying('{}', 0, 3n), /a header of at most 2 bytes but received "3"/],
    ['huge length', () => lying('{}', 0, 2n ** 63n), /a header of at most 2 bytes but received "9223372036854775808"/],
    ['not UTF-8', () => write(buildLength(1), Uint8Array.of(0xff)), /header: expected JSON/],
    ['not JSON', () => lying('{"a":'), /header: expected JSON/],
    ['a JSON list', () => lying('[]'), /header: expected a JSON object/],
    ['entry is no object', () => lying('{"a":3}'), /"a": expected an object but received 3/],
    ['unknown dtype', () => lying(`{"a":${entry(0, 8, [2], 'F13')}}`, 8), /dtype: expected one of .* received "F13"/],
    ['dtype of Object', () => lying(`{"a":${entry(0, 8, [2], 'toString')}}`, 8), /dtype: expected one of/],
    ['negative side', () => lying(`{"a":${entry(0, 8, [-2])}}`, 8), /shape: expected a list of integers/],
    ['fractional side', () => lying(`{"a":${entry(0, 8, [0.5, 4])}}`, 8), /shape: expected a list of integers/],
    ['shape is text', () => lying(`{"a":${entry(0, 8, '2')}}`, 8), /shape: expected a list of integers/],
    ['overflowing shape', () => lying(`{"a":${entry(0, 8, [2 ** 40, 2 ** 40])}}`, 8), /data_offsets: expected/],
    ['reversed offsets', () => lying(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}}`, 8), /begin <= end/],
    ['one offset', () => lying(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[8]}}`, 8), /\[begin, end\]/],
    ['no offsets', () => lying(`{"a":{"dtype":"F32","shape":[2]}}`, 8), /\[begin, end\]/],
    ['shape against bytes', () => lying(`{"a":${entry(0, 8, [3])}}`, 8), /expected 12 bytes for F32 \[3\]/],
    ['past the end', () => lying(`{"a":${entry(0, 16)}}`, 8), /data up to byte .*truncated/],
    ['overlap', () => lying(`{"a":${a},"b":${entry(4, 12)}}`, 12), /tensor "b" data_offsets: expected no overlap/],
    ['hole', () => lying(`{"a":${a},"b":${entry(12, 20)}}`, 20), /tensor "b" data_offsets: expected begin 8/],
    ['bytes left over', () => lying(`{"a":${a}}`, 16), /bytes by its header/],
    ['twice the same name', () => lying(`{"a":${a},"a":${a}}`, 8), /every tensor once but received ""a" twice"/],
    ['same name, escaped', () => lying(`{"a":${a},"\\u0061":${a}}`, 8), /every tensor once/],
  ])('%s', async (_, make, message) => {
    const promise = make().then(readSafetensors)
    await expect(promise).rejects.toThrow(InputError)
    await expect(promise).rejects.toThrow(message)
  })

  it('takes __proto__ as an ordinary name', async () => {
    const { tensors } = await readSafetensors(await lying(`{"__proto__":${a}}`, 8))
    expect([...tensors.keys()]).toEqual(['__proto__'])
  })
})

function buildLength(length: number): Uint8Array {
  const prefix = Buffer.alloc(8)
  prefix.writeBigUInt64LE(BigInt(length))
  return prefix
}

describe('writing', () => {
  it('gives a header that reads back, aligned, with the format key', async () => {
    const tensors = [
      { name: 'a', dtype: 'F32', shape: [2, 3] },
      { name: '漢字 "quoted"', dtype: 'BF16', shape: [5] },
      { name: 'scalar', dtype: 'F32', shape: [] },
    ] as const
    const header = buildHeader(tensors, { step: '7' })
    expect(header.length % 8).toBe(0)
    const file = await write(header, new Uint8Array(24 + 10 + 4))
    const read = await readSafetensors(file)
    expect(read.metadata).toEqual({ format: 'pt', step: '7' })
    expect([...read.tensors.values()].map(({ name, dtype, shape }) => ({ name, dtype, shape }))).toEqual(tensors)
    expect(read.tensors.get('a')!.offset).toBe(header.length)
  })
})
