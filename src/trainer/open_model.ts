/** Opens a model folder with everything that turns dataset rows into packs and tokens into text. */

import { type Checkpoint, openCheckpoint } from '../checkpoint/hf_folder.ts'
import type { Prompt, Row } from '../core/types.ts'
import { native } from '../native/binding.ts'
import { Model } from '../native/model.ts'
import type { DeviceName, GenerateOptions } from '../native/types.ts'
import { ChatTemplate, forbiddenTokens, type PromptContext, renderPrompt, Tokenizer } from '../text/index.ts'
import { defaultImageLimits, ImageProcessor, readProcessorSettings } from '../vision/index.ts'

export interface OpenModelOptions {
  device?: 'auto' | 'cpu' | 'cuda'
  /** 0 = all cores. */
  threads?: number
  maxPromptTokens?: number
  /** Limits of the resized image; `null` or absent = as the folder says. */
  minPixels?: number | null
  maxPixels?: number | null
  /** Larger image files are refused before they are decoded. */
  maxImagePixels?: number
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
}

/** A loaded model with its tokenizer and processor. */
export interface OpenModel extends Disposable {
  model: Model
  checkpoint: Checkpoint
  tokenizer: Tokenizer
  /** Side of the vision tower's merge block; 1 for text models. */
  merge: number
  /** Renders a row; see `renderPrompt` for what it refuses. */
  toPrompt(row: Row): Promise<Prompt>
  /** Text of tokens, without special ones. */
  decode(tokens: Int32Array): string
  generateOptions(settings: SamplingSettings): GenerateOptions
  dispose(): void
}

/**
 * Opens and loads a model folder.
 *
 * @throws InputError for anything wrong with the folder, before weights are loaded.
 * @example
 * using opened = await openModel('models/Qwen2.5-VL-3B-Instruct')
 * const prompt = await opened.toPrompt(row)
 */
export async function openModel(dir: string, options: OpenModelOptions = {}): Promise<OpenModel> {
  const checkpoint = await openCheckpoint(dir)
  const context = await openPromptContext(checkpoint, options)
  const { vocab } = checkpoint.spec.decoder
  const { tokenizer, vision } = context
  const forbidden = Array.from({ length: vocab }, (_, id) => id).filter((id) => tokenizer.token(id) === undefined)
  const device = deviceOf(options.device ?? 'auto')
  native().setThreads(options.threads ?? 0)
  const model = await Model.create(checkpoint.spec, { device })
  try {
    await model.load(checkpoint.sources, { signal: options.signal })
  } catch (error) {
    model.dispose()
    throw error
  }
  return {
    ...{ model, checkpoint, tokenizer, merge: vision?.merge ?? 1 },
    toPrompt: (row) => renderPrompt(row, context),
    decode: (tokens) => tokenizer.decode(tokens, { skipSpecialTokens: true }),
    generateOptions: ({ temperature, topK, topP, minP, maxNewTokens, stop, seed }) => ({
      ...{ temperature, topK, topP, minP, maxNewTokens, seed },
      stopTokens: Int32Array.from(tokenizer.eosIds),
      forbiddenTokens: Int32Array.from([...forbiddenTokens(vision), ...forbidden]),
      ...(stop.length > 0 ? { stopStrings: [...stop], tokenBytes: tokenizer.tokenBytes(vocab) } : {}),
    }),
    dispose: () => model.dispose(),
    [Symbol.dispose]: () => model.dispose(),
  }
}

async function openPromptContext(checkpoint: Checkpoint, options: OpenModelOptions): Promise<PromptContext> {
  const { dir, family, config, spec } = checkpoint
  const tokenizer = await Tokenizer.load(dir)
  const limits = { ...defaultImageLimits, maxPixels: options.maxImagePixels ?? defaultImageLimits.maxPixels }
  const settings = spec.vision ? await readProcessorSettings(dir, family, spec.vision) : null
  const processor =
    settings &&
    new ImageProcessor(
      {
        ...settings,
        minPixels: options.minPixels ?? settings.minPixels,
        maxPixels: options.maxPixels ?? settings.maxPixels,
      },
      limits,
    )
  return {
    ...{ family, tokenizer, processor },
    vision: family.readVisionTokens(config),
    template: await ChatTemplate.load(dir, tokenizer.namedTokens),
    maxPromptTokens: options.maxPromptTokens ?? Number.POSITIVE_INFINITY,
  }
}

function deviceOf(name: 'auto' | 'cpu' | 'cuda'): DeviceName {
  if (name !== 'auto') return name
  return native().info().cuda.available ? 'cuda' : 'cpu'
}
