/**
 * Adapter folders of the peft library: `adapter_config.json` and `adapter_model.safetensors` beside the tokenizer files,
 * and the path of the model that they belong to.
 *
 * Which linears are adapted follows from the tensors alone: `target_modules` may be a regular expression, and a foreign
 * one is never run.
 */

import { isAbsolute, join, resolve } from 'node:path'
import { InputError } from '../core/errors.ts'
import { adapterKey, adapterKeyMap, adapterShapes, moduleLayout, moduleName, uniformAdapter } from '../models/index.ts'
import type { LoraSpec, LoraTarget, TensorSink, TensorSource } from '../native/types.ts'
import { exists, readJsonObject } from './files.ts'
import type { ModelConfig } from './hf_folder.ts'
import { buildHeader, readSafetensors, type TensorEntry } from './safetensors.ts'

export const adapterConfigFile = 'adapter_config.json'
export const adapterWeightsFile = 'adapter_model.safetensors'

/** Whether a folder holds an adapter and not a model. */
export async function isAdapterFolder(dir: string): Promise<boolean> {
  return (await exists(join(dir, adapterConfigFile))) && !(await exists(join(dir, 'config.json')))
}

/**
 * The model folder that an adapter belongs to: as the config says, or relative to the adapter's own folder.
 * @throws InputError when there is no such folder.
 */
export async function adapterBase(dir: string): Promise<string> {
  const file = join(dir, adapterConfigFile)
  const { base_model_name_or_path: base } = await readJsonObject(file)
  if (typeof base !== 'string' || base === '') throw new InputError(`${file} base_model_name_or_path`, 'a path', base)
  const places = isAbsolute(base) ? [base] : [resolve(base), resolve(dir, base)]
  for (const place of places) if (await exists(join(place, 'config.json'))) return place
  throw new InputError(`${file} base_model_name_or_path`, 'the folder of the model it was made for', base, baseRemedy)
}

const baseRemedy = 'Put the path of a local model folder there'

export interface Adapter {
  spec: LoraSpec
  /** Every parameter of `adapterShapes` once. */
  sources: TensorSource[]
}

/**
 * Reads an adapter for a model.
 *
 * @throws InputError for adapters that are not plain LoRA, tensors that fit no linear of the model, and wrong shapes.
 * @example
 * const model = await openConfig(await adapterBase('runs/lora/checkpoints/step-100'))
 * const { spec, sources } = await openAdapter('runs/lora/checkpoints/step-100', model)
 */
export async function openAdapter(dir: string, model: ModelConfig): Promise<Adapter> {
  const config = await readAdapterConfig(join(dir, adapterConfigFile))
  const file = join(dir, adapterWeightsFile)
  const { tensors } = await readSafetensors(file)
  const names = adapterKeyMap(model.spec, model.family.layouts)
  const ours = new Map<string, TensorEntry>()
  for (const [key, tensor] of tensors) {
    const name = names.get(key)
    if (name === undefined) throw new InputError(file, 'adapters of linear layers of the model', `"${key}"`, fits)
    ours.set(name, tensor)
  }
  const targets = [...ours.keys()].filter((name) => name.endsWith('.lora_a.weight')).map((name) => targetOf(name))
  const spec = { targets, dropout: config.dropout }
  const sources = adapterShapes({ ...model.spec, lora: spec }).map(({ name, shape }) => {
    const tensor = ours.get(name)
    if (!tensor) throw new InputError(file, `a tensor for ${name}`, 'none', fits)
    const where = `${file} tensor "${tensor.name}"`
    if (tensor.shape.join() !== shape.join()) throw new InputError(where, `shape [${shape}]`, tensor.shape, fits)
    if (tensor.dtype !== 'F32' && tensor.dtype !== 'BF16' && tensor.dtype !== 'F16')
      throw new InputError(where, 'dtype F32, BF16 or F16', tensor.dtype)
    return { name, file, offset: tensor.offset, dtype: tensor.dtype, shape }
  })
  if (sources.length !== ours.size) throw new InputError(file, 'lora_A and lora_B of each linear', 'a lora_B alone')
  return { spec, sources }

  function targetOf(name: string): LoraTarget {
    const rank = ours.get(name)!.shape[0] ?? 0
    const linear = name.slice(0, -'.lora_a.weight'.length)
    return { linear, rank, scale: config.scaleOf(moduleName(linear, moduleLayout(model.family)), rank) }
  }
}

const fits = 'The adapter belongs to another model'

interface AdapterConfig {
  dropout: number
  /** alpha / rank, or alpha / sqrt(rank) where the config says rank-stabilised. */
  scaleOf(module: string, rank: number): number
}

/** Features of peft that would change what the model computes, and the value that means "not used". */
const UNUSED = {
  use_dora: [false],
  bias: ['none'],
  modules_to_save: [null],
  fan_in_fan_out: [false],
  lora_bias: [false],
  use_qalora: [false],
  use_bdlora: [null, false],
  target_parameters: [null],
  trainable_token_indices: [null],
  layer_replication: [null],
  alora_invocation_tokens: [null],
  arrow_config: [null],
} as const

async function readAdapterConfig(file: string): Promise<AdapterConfig> {
  const config = await readJsonObject(file)
  if (config.peft_type !== 'LORA') throw new InputError(`${file} peft_type`, 'LORA', config.peft_type)
  for (const [key, plain] of Object.entries(UNUSED))
    if (config[key] !== undefined && !(plain as readonly unknown[]).includes(config[key]))
      throw new InputError(
        `${file} ${key}`,
        plain.map(String).join(' or '),
        config[key],
        'Only plain LoRA is supported',
      )
  const alpha = requireNumber(file, 'lora_alpha', config.lora_alpha)
  const patterns = Object.entries((config.alpha_pattern ?? {}) as Record<string, unknown>)
  for (const [name] of patterns)
    if (!/^[\w.]+$/.test(name)) throw new InputError(`${file} alpha_pattern`, 'names of modules', name)
  return {
    dropout: config.lora_dropout === undefined ? 0 : requireNumber(file, 'lora_dropout', config.lora_dropout),
    scaleOf(module, rank) {
      const own = patterns.find(([name]) => module === name || module.endsWith(`.${name}`))
      const value = own ? requireNumber(file, `alpha_pattern ${own[0]}`, own[1]) : alpha
      return value / (config.use_rslora === true ? Math.sqrt(rank) : rank)
    },
  }
}

function requireNumber(file: string, key: string, value: unknown): number {
  if (typeof value === 'number' && Number.isFinite(value) && value >= 0) return value
  throw new InputError(`${file} ${key}`, 'a number from 0', value)
}

// ------------------------------------------------------------------ saving

export interface AdapterSavePlan {
  /** Text of adapter_config.json. */
  configText: string
  /** First bytes of adapter_model.safetensors; the tensors follow in the order of `sinks`. */
  header: Uint8Array
  sinks: TensorSink[]
}

/** What to write for the adapters of a model, in fp32; `base` is the model folder they belong to. */
export function planAdapterSave({ family, spec }: Omit<ModelConfig, 'dir'>, base: string): AdapterSavePlan {
  const { targets, dropout } = spec.lora!
  const layout = moduleLayout(family)
  const shapes = adapterShapes(spec)
  const tensors = shapes.map(({ name, shape }) => ({ name: adapterKey(name, layout), dtype: 'F32' as const, shape }))
  const modules = targets.map(({ linear }) => moduleName(linear, layout))
  const uniform = uniformAdapter(targets)
  const { rank, scale } = uniform ?? targets[0]!
  const perModule = (value: (target: LoraTarget) => number) =>
    uniform ? {} : Object.fromEntries(targets.map((target, i) => [modules[i]!, value(target)]))
  const config = {
    peft_type: 'LORA',
    task_type: 'CAUSAL_LM',
    base_model_name_or_path: base,
    r: rank,
    lora_alpha: rank * scale,
    rank_pattern: perModule((target) => target.rank),
    alpha_pattern: perModule((target) => target.rank * target.scale),
    use_rslora: false,
    lora_dropout: dropout,
    target_modules: modules,
    bias: 'none',
    fan_in_fan_out: false,
    modules_to_save: null,
    inference_mode: true,
    init_lora_weights: true,
  }
  const sinks = shapes.map(({ name }) => ({ name, dtype: 'F32' as const }))
  return { configText: `${JSON.stringify(config, null, 2)}\n`, header: buildHeader(tensors), sinks }
}
