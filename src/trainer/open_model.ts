/** Opens a model folder with everything that turns dataset rows into packs and tokens into text. */

import { adapterBase, isAdapterFolder, openAdapter } from '../checkpoint/adapter.ts'
import { type Checkpoint, type ModelConfig, openCheckpoint } from '../checkpoint/hf_folder.ts'
import { InputError } from '../core/errors.ts'
import type { Prompt, Row } from '../core/types.ts'
import { type LoraSettings, loraSpec, moduleLayout } from '../models/index.ts'
import { native } from '../native/binding.ts'
import { Model } from '../native/model.ts'
import type { DtypeName, GenerateOptions, ModelSpec, OpsDevice, RolloutWeights } from '../native/types.ts'
import {
  type ChangeImage,
  ChatTemplate,
  forbiddenTokens,
  type PromptContext,
  renderPrompt,
  Tokenizer,
} from '../text/index.ts'
import {
  defaultImageLimits,
  type ImageLimits,
  ImageProcessor,
  type ProcessorSettings,
  readProcessorSettings,
} from '../vision/index.ts'

export interface OpenModelOptions {
  device?: 'auto' | OpsDevice
  /** Number format of weights and activations; auto = bf16 on CUDA, f32 on the CPU. */
  dtype?: 'auto' | DtypeName
  /** 0 = all cores. */
  threads?: number
  maxPromptTokens?: number
  /** Limits of the resized image; `null` or absent = as the folder says. */
  minPixels?: number | null
  maxPixels?: number | null
  /** Larger image files are refused before they are decoded. */
  maxImagePixels?: number
  /** New adapters on a model folder; an adapter folder brings its own. */
  lora?: LoraSettings | null
  /** Model folder of an adapter folder; absent = as the adapter says. */
  base?: string
  /** A value head, which says 0 at first: a critic. */
  valueHead?: boolean
  /** False: the model is read by a head of its own, and its folder may lack a language head. */
  languageHead?: boolean
  /** Weights that are only brought to the device while they are used: see `Model.offload`. */
  offload?: boolean
  /** First values of new adapters. */
  seed?: number
  signal?: AbortSignal
}

/** What sampling settings of a run become for the engine. */
export interface SamplingSettings {
  temperature: number
  topK: number
  topP: number
  minP: number
  maxNewTokens: number
  stop: readonly string[]
  seed: number
  weights?: RolloutWeights
}

/** A loaded model with its tokenizer and processor. */
export interface OpenModel extends Disposable {
  model: Model
  checkpoint: Checkpoint
  tokenizer: Tokenizer
  /** Side of the vision tower's merge block; 1 for text models. */
  merge: number
  /** Renders a row; see `renderPrompt` for what it refuses. */
  toPrompt(row: Row, change?: ChangeImage): Promise<Prompt>
  /** Renders the row's messages as a whole conversation, without the opening of another turn. */
  toConversation(row: Row): Promise<Prompt>
  /** Text of tokens, without special ones. */
  decode(tokens: Int32Array): string
  generateOptions(settings: SamplingSettings): GenerateOptions
  dispose(): void
}

/**
 * Opens and loads a model folder, or an adapter folder with the model it belongs to.
 *
 * @throws InputError for anything wrong with the folder, before weights are loaded.
 * @example
 * using opened = await openModel('models/Qwen2.5-VL-3B-Instruct')
 * const prompt = await opened.toPrompt(row)
 */
export async function openModel(dir: string, options: OpenModelOptions = {}): Promise<OpenModel> {
  const { checkpoint, newAdapters } = await openSource(dir, options)
  const context = await openPromptContext(checkpoint, options)
  const { vocab } = checkpoint.spec.decoder
  const { tokenizer, vision } = context
  const forbidden = Array.from({ length: vocab }, (_, id) => id).filter((id) => tokenizer.token(id) === undefined)
  const device = opsDevice(options.device ?? 'auto')
  native().setThreads(options.threads ?? 0)
  const spec = options.valueHead ? { ...checkpoint.spec, valueHead: true } : checkpoint.spec
  const model = await Model.create(spec, { device, dtype: dtypeOf(options.dtype ?? 'auto', device) })
  try {
    if (options.offload) await model.offload()
    await model.load(checkpoint.sources, { signal: options.signal })
    if (newAdapters) await model.initAdapters(options.seed ?? 0)
    if (spec.valueHead) await zeroValueHead(model)
  } catch (error) {
    model.dispose()
    throw error
  }
  return {
    ...{ model, checkpoint, tokenizer, merge: vision?.merge ?? 1 },
    toPrompt: (row, change) => renderPrompt(row, context, { change }),
    toConversation: (row) => renderPrompt(row, context, { isOpen: false }),
    decode: (tokens) => tokenizer.decode(tokens, { skipSpecialTokens: true }),
    generateOptions: ({ temperature, topK, topP, minP, maxNewTokens, stop, seed, weights }) => ({
      ...{ temperature, topK, topP, minP, maxNewTokens, seed, weights },
      stopTokens: Int32Array.from(tokenizer.eosIds),
      forbiddenTokens: Int32Array.from([...forbiddenTokens(vision), ...forbidden]),
      ...(stop.length > 0 ? { stopStrings: [...stop], tokenBytes: tokenizer.tokenBytes(vocab) } : {}),
    }),
    dispose: () => model.dispose(),
    [Symbol.dispose]: () => model.dispose(),
  }
}

/** The folders behind a path, with the adapters that they hold or are about to get. */
async function openSource(dir: string, { base, lora, languageHead }: OpenModelOptions) {
  if (await isAdapterFolder(dir)) {
    const model = await openCheckpoint(base ?? (await adapterBase(dir)), { languageHead })
    const adapter = await openAdapter(dir, model)
    const sources = [...model.sources, ...adapter.sources]
    return { checkpoint: { ...model, sources, spec: { ...model.spec, lora: adapter.spec } }, newAdapters: false }
  }
  const model = await openCheckpoint(dir, { languageHead })
  return { checkpoint: { ...model, spec: withAdapters(model, lora ?? null) }, newAdapters: Boolean(lora) }
}

/** The model's specification with the adapters of a configuration. @throws InputError for a target it does not have. */
export function withAdapters({ spec, family }: ModelConfig, lora: LoraSettings | null): ModelSpec {
  return lora ? { ...spec, lora: loraSpec(spec, moduleLayout(family), lora) } : spec
}

async function zeroValueHead(model: Model): Promise<void> {
  await model.writeParameter('value_head.weight', new Float32Array(model.spec.decoder.hidden))
  await model.writeParameter('value_head.bias', new Float32Array(1))
}

/** With adapters nothing else is trained but a value head. */
export async function freezeBase(model: Model): Promise<void> {
  if (!model.spec.lora) return
  const names = model.parameters().map(({ name }) => name)
  const base = names.filter((name) => !/\.lora_[ab]\.weight$|^value_head\./.test(name))
  await model.setTrainable(base, false)
}

/** Everything that turns rows into prompts. Weights are not looked at. */
export async function openPromptContext(model: ModelConfig, options: OpenModelOptions): Promise<PromptContext> {
  const { dir, family, config } = model
  const tokenizer = await Tokenizer.load(dir)
  const settings = await imageSettings(model, options)
  return {
    ...{ family, tokenizer, processor: settings && new ImageProcessor(settings, imageLimits(options)) },
    vision: family.readVisionTokens(config),
    template: await ChatTemplate.load(dir, tokenizer.namedTokens),
    maxPromptTokens: options.maxPromptTokens ?? Number.POSITIVE_INFINITY,
  }
}

/** Patches and limits of the resized image; `null` for text models. */
export async function imageSettings(
  { dir, family, spec }: ModelConfig,
  { minPixels, maxPixels }: OpenModelOptions,
): Promise<ProcessorSettings | null> {
  if (!spec.vision) return null
  const settings = await readProcessorSettings(dir, family, spec.vision)
  return { ...settings, minPixels: minPixels ?? settings.minPixels, maxPixels: maxPixels ?? settings.maxPixels }
}

/** Limits of image files. */
export function imageLimits({ maxImagePixels }: OpenModelOptions): ImageLimits {
  return { ...defaultImageLimits, maxPixels: maxImagePixels ?? defaultImageLimits.maxPixels }
}

/** What `model.dtype` means on a device. @throws InputError for bf16 on the CPU. */
export function dtypeOf(name: 'auto' | DtypeName, device: OpsDevice): DtypeName {
  if (name === 'auto') return device === 'cuda' ? 'bf16' : 'f32'
  if (name === 'bf16' && device === 'cpu')
    throw new InputError('model.dtype', 'f32 on the CPU', name, 'rollout.weights: bf16 makes sampling faster there')
  return name
}

/** What `device` means on this machine. */
export function opsDevice(name: 'auto' | OpsDevice): OpsDevice {
  if (name !== 'auto') return name
  return native().info().cuda.available ? 'cuda' : 'cpu'
}
