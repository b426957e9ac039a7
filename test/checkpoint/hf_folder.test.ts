import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { copySideFiles, listSideFiles, openCheckpoint, planSave } from '../../src/checkpoint/hf_folder.ts'
import { buildHeader, readSafetensors, readTensor, type SafetensorsDtype } from '../../src/checkpoint/safetensors.ts'
import { InputError } from '../../src/core/errors.ts'
import { checkpointKey, checkpointKeyMap, parameterShapes } from '../../src/models/index.ts'
import { fixture } from '../harness/fixtures.ts'

let dir = ''
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'rft-folder-'))
})
afterEach(() => rm(dir, { recursive: true }))

interface Stored {
  dtype: SafetensorsDtype
  shape: number[]
  bytes: Uint8Array
}
type Tensors = Map<string, Stored>

async function readAll(file: string): Promise<Tensors> {
  const [{ tensors }, bytes] = await Promise.all([readSafetensors(file), readFile(file)])
  const slice = (offset: number, size: number) => bytes.subarray(offset, offset + size)
  return new Map([...tensors].map(([n, t]) => [n, { dtype: t.dtype, shape: t.shape, bytes: slice(t.offset, t.bytes) }]))
}

async function writeAll(file: string, tensors: Tensors): Promise<void> {
  const header = buildHeader([...tensors].map(([name, { dtype, shape }]) => ({ name, dtype, shape })))
  await writeFile(file, Buffer.concat([header, ...[...tensors.values()].map((t) => t.bytes)]))
}

/** A copy of the fixture folder whose weights went through `change`. */
async function variant(model: string, change: (tensors: Tensors) => void): Promise<string> {
  await cp(fixture(`models/${model}/config.json`), join(dir, 'config.json'))
  const tensors = await readAll(fixture(`models/${model}/model.safetensors`))
  change(tensors)
  await writeAll(join(dir, 'model.safetensors'), tensors)
  return dir
}

function rename(tensors: Tensors, from: string, to: string): void {
  tensors.set(to, tensors.get(from)!)
  tensors.delete(from)
}

describe('openCheckpoint', () => {
  it.each(['qwen2', 'qwen2_5_vl', 'qwen2__bf16'])('finds every parameter of %s once', async (model) => {
    const { spec, sources, unused } = await openCheckpoint(fixture(`models/${model}`))
    expect(sources.map(({ name, shape }) => ({ name, shape }))).toEqual(parameterShapes(spec))
    expect(unused).toEqual([])
    expect(new Set(sources.map((s) => s.dtype))).toEqual(new Set([model.endsWith('bf16') ? 'BF16' : 'F32']))
    expect(new Set(sources.map((s) => s.offset)).size).toBe(sources.length)
  })

  it.each(['current', 'mixed'])('reads the %s key layout', async (layout) => {
    const original = await openCheckpoint(fixture('models/qwen2_5_vl'))
    const [older, current] = original.family.layouts
    await variant('qwen2_5_vl', (tensors) => {
      for (const [i, { name }] of parameterShapes(original.spec).entries())
        if (layout === 'current' || i % 3 === 0)
          rename(tensors, checkpointKey(name, older), checkpointKey(name, current!))
    })
    const { sources } = await openCheckpoint(dir)
    for (const [i, source] of sources.entries()) {
      const bytes = async (s: typeof source) => (await readFile(s.file)).subarray(s.offset, s.offset + 16)
      expect(await bytes(source)).toEqual(await bytes(original.sources[i]!))
    }
  })

  it('takes no notice of a head stored beside a tied embedding', async () => {
    await variant('qwen2', (tensors) => tensors.set('lm_head.weight', tensors.get('model.embed_tokens.weight')!))
    expect((await openCheckpoint(dir)).unused).toEqual(['lm_head.weight'])
  })

  it('reads an untied head', async () => {
    await variant('qwen2', (tensors) => tensors.set('lm_head.weight', tensors.get('model.embed_tokens.weight')!))
    const config = JSON.parse(await readFile(join(dir, 'config.json'), 'utf8'))
    await writeFile(join(dir, 'config.json'), JSON.stringify({ ...config, tie_word_embeddings: false }))
    const { sources, unused } = await openCheckpoint(dir)
    expect(unused).toEqual([])
    expect(sources.at(-1)).toMatchObject({ name: 'decoder.head.weight', shape: [1792, 80] })
  })

  it('reads shards', async () => {
    await cp(fixture('models/qwen2/config.json'), join(dir, 'config.json'))
    const map = await writeShards()
    expect(new Set(map.values()).size).toBe(2)
    const { sources } = await openCheckpoint(dir)
    expect(new Set(sources.map(({ file }) => basename(file)))).toEqual(new Set(map.values()))
  })

  it.each<[string, (map: Map<string, string>) => unknown, RegExp]>([
    ['missing shard', (map) => map.set('extra', 'model-3.safetensors'), /model-3.safetensors: expected a readable/],
    ['tensor not in its shard', (map) => map.set('extra', 'model-1.safetensors'), /tensor "extra", as model.*index/],
    ['a path', (map) => map.set('extra', '../x.safetensors'), /file names without a folder but received "..\/x/],
    ['a number', (map) => map.set('extra', 4 as unknown as string), /file names without a folder but received 4/],
  ])('refuses an index with %s', async (_, change, message) => {
    await cp(fixture('models/qwen2/config.json'), join(dir, 'config.json'))
    await writeShards(change)
    await expect(openCheckpoint(dir)).rejects.toThrow(message)
  })

  async function writeShards(change: (map: Map<string, string>) => unknown = () => {}): Promise<Map<string, string>> {
    const tensors = [...(await readAll(fixture('models/qwen2/model.safetensors')))]
    const map = new Map<string, string>()
    for (const [i, part] of [tensors.slice(0, 10), tensors.slice(10)].entries()) {
      const name = `model-${i + 1}.safetensors`
      await writeAll(join(dir, name), new Map(part))
      for (const [key] of part) map.set(key, name)
    }
    const honest = new Map(map)
    change(map)
    const index = { metadata: {}, weight_map: Object.fromEntries(map) }
    await writeFile(join(dir, 'model.safetensors.index.json'), JSON.stringify(index))
    return honest
  }

  const bias = 'model.layers.1.self_attn.k_proj.bias'
  it.each<[string, (tensors: Tensors) => void, RegExp]>([
    [
      'missing tensor',
      (t) => t.delete(bias),
      /tensor "model.layers.1.self_attn.k_proj.bias" of shape \[16\] for decoder.layers.1.k.bias but received "none"/,
    ],
    [
      'wrong shape',
      (t) => t.set(bias, { dtype: 'F32', shape: [4, 4], bytes: new Uint8Array(64) }),
      /k_proj.bias": expected shape \[16\] for decoder.layers.1.k.bias but received \[4,4\]/,
    ],
    [
      'wrong dtype',
      (t) => t.set(bias, { dtype: 'I32', shape: [16], bytes: new Uint8Array(64) }),
      /k_proj.bias": expected dtype F32, BF16 or F16 but received "I32"/,
    ],
  ])('refuses a %s', async (_, change, message) => {
    await variant('qwen2', change)
    await expect(openCheckpoint(dir)).rejects.toThrow(InputError)
    await expect(openCheckpoint(dir)).rejects.toThrow(message)
  })

  it('refuses a parameter stored under two keys', async () => {
    await variant('qwen2_5_vl', (t) => t.set('model.language_model.norm.weight', t.get('model.norm.weight')!))
    await expect(openCheckpoint(dir)).rejects.toThrow(/decoder.norm.weight once but received "both/)
  })

  it('refuses folders that are no model', async () => {
    await expect(openCheckpoint(join(dir, 'none'))).rejects.toThrow(/a model folder but received "nothing"/)
    await expect(openCheckpoint(dir)).rejects.toThrow(/config.json: expected a readable file but received "ENOENT"/)
    await writeFile(join(dir, 'config.json'), '{"model_type": ')
    await expect(openCheckpoint(dir)).rejects.toThrow(/config.json: expected JSON/)
    await cp(fixture('models/qwen2/config.json'), join(dir, 'config.json'))
    await expect(openCheckpoint(dir)).rejects.toThrow(/model.safetensors or model.safetensors.index.json/)
  })
})

describe('planSave', () => {
  it.each(['qwen2', 'qwen2_5_vl'] as const)('lays out %s as transformers does', async (model) => {
    const opened = await openCheckpoint(fixture(`models/${model}`))
    const plan = planSave(opened, 'F32')
    const reference = await readSafetensors(fixture(`models/${model}/model.safetensors`))
    await writeFile(
      join(dir, 'model.safetensors'),
      Buffer.concat([plan.header, Buffer.alloc(plan.bytes - plan.header.length)]),
    )
    const written = await readSafetensors(join(dir, 'model.safetensors'))
    const shapes = (file: typeof written) => new Map([...file.tensors].map(([name, t]) => [name, t.shape]))
    expect(shapes(written)).toEqual(shapes(reference))
    const keys = checkpointKeyMap(opened.family, opened.spec)
    expect([...written.tensors.keys()].map((key) => keys.get(key))).toEqual(plan.sinks.map((sink) => sink.name))
    expect([...written.tensors.keys()]).not.toContain('lm_head.weight')
    await writeFile(join(dir, 'config.json'), plan.configText)
    expect((await openCheckpoint(dir)).spec).toEqual(opened.spec)
  })

  it('halves the file in bfloat16 and says so in the config', async () => {
    const plan = planSave(await openCheckpoint(fixture('models/qwen2')), 'BF16')
    expect(plan.sinks.every(({ dtype }) => dtype === 'BF16')).toBe(true)
    expect(plan.bytes - plan.header.length).toBe((1272152 - 3928) / 2)
    expect(JSON.parse(plan.configText).dtype).toBe('bfloat16')
  })

  it('writes values that read back', async () => {
    const opened = await openCheckpoint(fixture('models/qwen2'))
    const plan = planSave(opened, 'F32')
    const source = await readSafetensors(fixture('models/qwen2/model.safetensors'))
    const parts = await Promise.all(
      plan.sinks.map(({ name }) => readTensor(source, checkpointKey(name, opened.family.layouts[0]))),
    )
    const bytes = parts.map(({ data }) => Buffer.from(data.buffer, data.byteOffset, data.byteLength))
    await writeFile(join(dir, 'model.safetensors'), Buffer.concat([plan.header, ...bytes]))
    const again = await readSafetensors(join(dir, 'model.safetensors'))
    for (const name of source.tensors.keys())
      expect((await readTensor(again, name)).data).toEqual((await readTensor(source, name)).data)
  })
})

it('copies tokenizer, template and processor files', async () => {
  await copySideFiles(fixture('models/qwen2_5_vl'), dir)
  const names = ['generation_config.json', 'tokenizer.json', 'tokenizer_config.json', 'chat_template.jinja']
  expect(await listSideFiles(dir)).toEqual([...names, 'processor_config.json'])
})
