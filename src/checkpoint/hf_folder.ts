/**
 * Hugging Face model folders: `openCheckpoint` finds and checks every tensor before anything is loaded, `planSave`
 * lays out a folder that transformers loads unchanged. Tensor bytes are read and written by the native side.
 */

import { copyFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { InputError } from '../core/errors.ts'
import {
  checkpointKey,
  checkpointKeyMap,
  checkpointShape,
  type Family,
  familyOf,
  parameterShapes,
  type RawConfig,
} from '../models/index.ts'
import type { ModelSpec, StorageDtype, TensorSink, TensorSource } from '../native/types.ts'
import { exists, readJsonObject } from './files.ts'
import { buildHeader } from './safetensors.ts'
import { readWeightTensors, type WeightTensor } from './shards.ts'

/** What a folder's config.json says. */
export interface ModelConfig {
  dir: string
  family: Family
  config: RawConfig
  spec: ModelSpec
}

export interface Checkpoint extends ModelConfig {
  /** Every parameter of `spec` exactly once, in `parameterShapes` order. */
  sources: TensorSource[]
  /** Tensors of the files that the model has no use for (a tied head, rotary tables). */
  unused: string[]
}

/** Reads config.json alone: enough to plan memory. */
export async function openConfig(dir: string): Promise<ModelConfig> {
  const info = await stat(dir).catch(() => null)
  if (!info?.isDirectory()) throw new InputError(dir, 'a model folder', info ? 'a file' : 'nothing')
  const config = await readJsonObject(join(dir, 'config.json'))
  const family = familyOf(config)
  return { dir, family, config, spec: family.readSpec(config) }
}

/**
 * Opens a model folder and matches its tensors against its config.
 * Throws InputError for a missing tensor, a wrong shape, a dtype that is not a float, or a parameter stored twice.
 *
 * @param options.languageHead false: the folder may lack one, as reward models do.
 * @example
 * const { spec, sources } = await openCheckpoint('models/Qwen2.5-VL-3B-Instruct')
 */
export async function openCheckpoint(dir: string, options: { languageHead?: boolean } = {}): Promise<Checkpoint> {
  const opened = await openConfig(dir)
  const model = options.languageHead === false ? { ...opened, spec: withoutLanguageHead(opened.spec) } : opened
  const tensors = await readWeightTensors(dir)
  const ours = new Map<string, WeightTensor>()
  const unused: string[] = []
  const keys = checkpointKeyMap(model.family, model.spec)
  for (const [key, tensor] of tensors) {
    const name = keys.get(key)
    if (name === undefined) {
      unused.push(key)
      continue
    }
    const other = ours.get(name)
    if (other) throw new InputError(dir, `${name} once`, `both "${other.name}" and "${key}"`)
    ours.set(name, tensor)
  }
  const sources = parameterShapes(model.spec).map(({ name, shape }) => toSource(model, name, shape, ours.get(name)))
  return { ...model, sources, unused }
}

/** For models that are read by other heads: a head tied to the embedding is no tensor of its own. */
export const withoutLanguageHead = (spec: ModelSpec): ModelSpec => ({
  ...spec,
  decoder: { ...spec.decoder, tiedHead: true },
})

function toSource(model: ModelConfig, name: string, shape: number[], tensor: WeightTensor | undefined): TensorSource {
  const stored = checkpointShape(name, shape, model.spec)
  if (!tensor) {
    const keys = model.family.layouts.map((layout) => `"${checkpointKey(name, layout)}"`)
    const names = [...new Set(keys)].join(' or ')
    throw new InputError(model.dir, `tensor ${names} of shape [${stored}] for ${name}`, 'none', incomplete)
  }
  const where = `${tensor.file} tensor "${tensor.name}"`
  if (tensor.shape.join() !== stored.join())
    throw new InputError(where, `shape [${stored}] for ${name}`, tensor.shape, 'config.json and the weights disagree')
  if (!isStorage(tensor.dtype)) throw new InputError(where, 'dtype F32, BF16 or F16', tensor.dtype)
  return { name, file: tensor.file, offset: tensor.offset, dtype: tensor.dtype, shape }
}

const incomplete = 'The folder is incomplete, or its config.json belongs to another model'

function isStorage(dtype: string): dtype is StorageDtype {
  return dtype === 'F32' || dtype === 'BF16' || dtype === 'F16'
}

// ------------------------------------------------------------------ saving

export interface SavePlan {
  /** Text of config.json. */
  configText: string
  /** First bytes of model.safetensors; the tensors follow in the order of `sinks`. */
  header: Uint8Array
  /** Our parameter names. */
  sinks: TensorSink[]
  /** Size of model.safetensors. */
  bytes: number
}

const CONFIG_DTYPES = { F32: 'float32', BF16: 'bfloat16', F16: 'float16' } as const

/** What to write for a model: config.json, and header and order of model.safetensors. A tied head is not written. */
export function planSave(model: Omit<ModelConfig, 'dir'>, dtype: StorageDtype): SavePlan {
  const { family, config, spec } = model
  const shapes = parameterShapes(spec)
  const tensors = shapes.map(({ name, shape }) => ({
    name: checkpointKey(name, family.layouts[0]),
    dtype,
    shape: checkpointShape(name, shape, spec),
  }))
  const header = buildHeader(tensors)
  const values = shapes.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0)
  return {
    configText: `${JSON.stringify(family.writeConfig(config, CONFIG_DTYPES[dtype]), null, 2)}\n`,
    header,
    sinks: shapes.map(({ name }) => ({ name, dtype })),
    bytes: header.length + values * (dtype === 'F32' ? 4 : 2),
  }
}

/** Files beside the weights that a saved model takes along as they are. */
const SIDE_FILES = [
  'generation_config.json',
  'tokenizer.json',
  'tokenizer_config.json',
  'special_tokens_map.json',
  'added_tokens.json',
  'vocab.json',
  'merges.txt',
  'chat_template.jinja',
  'chat_template.json',
  'processor_config.json',
  'preprocessor_config.json',
  'video_preprocessor_config.json',
] as const

/** Names of the side files present in a model folder. */
export async function listSideFiles(dir: string): Promise<string[]> {
  const present = await Promise.all(SIDE_FILES.map((name) => exists(join(dir, name))))
  return SIDE_FILES.filter((_, i) => present[i])
}

/** Copies tokenizer, template and processor files from one model folder to another. */
export async function copySideFiles(from: string, to: string): Promise<void> {
  for (const name of await listSideFiles(from)) await copyFile(join(from, name), join(to, name))
}
