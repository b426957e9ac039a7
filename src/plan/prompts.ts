/**
 * The prompts of the most demanding step: the longest of the data where there are data, else made to measure. No pixel
 * is decoded and no weight is read.
 */

import { join } from 'node:path'
import { exists } from '../checkpoint/files.ts'
import type { ModelConfig } from '../checkpoint/hf_folder.ts'
import type { Config } from '../config/schema.ts'
import { InputError } from '../core/errors.ts'
import type { Message, ProcessedImage, Prompt, Row, Size } from '../core/types.ts'
import { loadRows } from '../data/index.ts'
import { visualTokens } from '../models/index.ts'
import { renderPrompt } from '../text/index.ts'
import { targetOf } from '../trainer/open.ts'
import { imageLimits, imageSettings, openPromptContext } from '../trainer/open_model.ts'
import type { Example } from '../trainer/sft.ts'
import type { ProcessorSettings } from '../vision/index.ts'
import { gridOf, ImageSizes, resizedSize } from './image_sizes.ts'

/** A prompt described by its size. */
export interface PromptShape {
  /** Tokens, those of images included. */
  tokens?: number
  /** Before resizing. */
  images?: Size[]
}

export interface PromptSource {
  readonly kind: 'data' | 'given' | 'limits'
  /** The `count` longest, longest first; `target` is empty in reinforcement. */
  longest(count: number, config: Config): Promise<Example[]>
  /** Merged image features over all different images of the data; infinite when nobody knows. */
  features(config: Config): Promise<number>
}

/** Rows rendered beyond those needed: their rank is estimated from bytes of text before it is counted in tokens. */
const MARGIN = 64
const BYTES_PER_TOKEN = 4

/** Prompts from data files. */
export class DataPrompts implements PromptSource {
  readonly kind = 'data'
  private readonly model: ModelConfig
  private readonly rows: readonly Row[]
  private readonly sizes: ImageSizes

  private constructor(model: ModelConfig, rows: readonly Row[], sizes: ImageSizes) {
    this.model = model
    this.rows = rows
    this.sizes = sizes
  }

  /** @returns `null` when files or the tokenizer are not there. @throws InputError for rows and images at fault. */
  static async open(files: readonly string[], config: Config, model: ModelConfig): Promise<DataPrompts | null> {
    const needed = [...files, join(model.dir, 'tokenizer.json')]
    if (files.length === 0 || !(await Promise.all(needed.map(exists))).every(Boolean)) return null
    const rows = await loadRows(files, config.data)
    const sizes = new ImageSizes(imageLimits(config.data))
    if (model.spec.vision) await sizes.read(rows.flatMap(({ id, images }) => images.map((ref) => ({ ref, where: id }))))
    return new DataPrompts(model, rows, sizes)
  }

  get count(): number {
    return this.rows.length
  }

  async longest(count: number, config: Config): Promise<Example[]> {
    const context = await openPromptContext(this.model, config.data)
    const settings = await imageSettings(this.model, config.data)
    const processor = settings && this.sizes.processor(settings)
    const likely = (await this.byEstimate(config, settings)).slice(0, 4 * count + MARGIN)
    const examples: Example[] = []
    for (const row of likely) {
      const prompt = await renderPrompt(row, { ...context, processor })
      examples.push({ prompt, target: isSft(config) ? targetOf(row, context) : new Int32Array(0) })
    }
    examples.sort((a, b) => length(b) - length(a))
    return Array.from({ length: count }, (_, i) => examples[i % examples.length]!)
  }

  async features(config: Config): Promise<number> {
    const settings = await imageSettings(this.model, config.data)
    if (!settings) return 0
    return this.sizes.grids(settings).reduce((sum, grid) => sum + visualTokens(grid, settings.merge), 0)
  }

  private async byEstimate(config: Config, settings: ProcessorSettings | null): Promise<Row[]> {
    const processor = settings && this.sizes.processor(settings)
    const estimates = new Map<Row, number>()
    for (const row of this.rows) {
      const texts = row.messages.map(textOf)
      if (isSft(config)) texts.push(row.target ?? '')
      let tokens = texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0) / BYTES_PER_TOKEN
      for (const ref of processor ? row.images : [])
        tokens += visualTokens((await processor!.process(ref, row.id)).grid, settings!.merge)
      estimates.set(row, tokens)
    }
    return [...this.rows].sort((a, b) => estimates.get(b)! - estimates.get(a)!)
  }
}

/** Prompts of one size, each with images of its own. */
export class ShapedPrompts implements PromptSource {
  readonly kind: 'given' | 'limits'
  private readonly model: ModelConfig
  private readonly images: readonly Size[]
  private readonly textTokens: number

  private constructor(kind: 'given' | 'limits', model: ModelConfig, images: readonly Size[], textTokens: number) {
    this.kind = kind
    this.model = model
    this.images = images
    this.textTokens = textTokens
  }

  /**
   * Without a shape: as long as `data.maxPromptTokens` allows, with an image as large as it allows.
   *
   * @throws InputError for images that a model cannot see, or that do not fit into the tokens.
   */
  static async open(model: ModelConfig, shape: PromptShape | null, config: Config): Promise<ShapedPrompts> {
    const settings = await imageSettings(model, config.data)
    const tokens = shape?.tokens ?? config.data.maxPromptTokens
    if (!settings && shape?.images?.length)
      throw new InputError('--image', 'no image for a model without a vision tower', shape.images.length)
    const images = settings ? (shape ? (shape.images ?? []) : largestImage(settings, tokens)) : []
    const taken = images.reduce((sum, size) => sum + visualTokens(gridOf(size, settings!), settings!.merge) + 2, 0)
    if (taken >= tokens)
      throw new InputError('prompt', `more than ${taken} tokens, which its images take`, tokens, tooSmall)
    return new ShapedPrompts(shape ? 'given' : 'limits', model, images, tokens - taken)
  }

  async longest(count: number, config: Config): Promise<Example[]> {
    const settings = await imageSettings(this.model, config.data)
    const images = this.images.map((original): ProcessedImage => {
      const grid = gridOf(original, settings!)
      const sizes = { original, resized: resizedSize(grid, settings!) }
      return { patches: new Float32Array(0), grid, key: `planned ${original.width}x${original.height}`, sizes }
    })
    const target = new Int32Array(isSft(config) ? config.rollout.maxNewTokens : 0)
    return Array.from({ length: count }, (_, i) => ({ prompt: this.prompt(i, images), target }))
  }

  async features(): Promise<number> {
    return this.images.length > 0 ? Number.POSITIVE_INFINITY : 0
  }

  private prompt(index: number, planned: ProcessedImage[]): Prompt {
    const { family, config } = this.model
    const vision = family.readVisionTokens(config)
    const images = planned.map((image, i) => ({ ...image, key: `planned ${index} ${i}` }))
    const text = [0, 1, 2].find((id) => id !== vision?.image && id !== vision?.video)!
    const tokens = Int32Array.from([
      ...images.flatMap(({ grid }) => [
        vision!.start,
        ...new Array<number>(visualTokens(grid, vision!.merge)).fill(vision!.image),
        vision!.end,
      ]),
      ...new Array<number>(this.textTokens).fill(text),
    ])
    const visuals = images.map(({ grid }) => ({ kind: 'image' as const, grid }))
    const { positionIds, nextPosition, visualRows } = family.positions(tokens, visuals, vision)
    const refs = images.map(({ key }) => ({ path: key }))
    const row = { id: `planned ${index}`, messages: [], images: refs, answer: null, target: null, columns: {} }
    return { row, tokens, positionIds, images, imageRows: visualRows, nextPosition }
  }
}

const tooSmall = 'Raise --prompt-tokens, or lower data.maxPixels'

/** A square of at most `maxPixels` that leaves room for text. */
function largestImage({ patchSize, merge, maxPixels }: ProcessorSettings, tokens: number): Size[] {
  const unit = patchSize * merge
  const side = unit * Math.floor(Math.sqrt(Math.min(maxPixels / unit ** 2, Math.max(0, tokens - 3))))
  return side > 0 ? [{ width: side, height: side }] : []
}

const textOf = ({ content }: Message) =>
  typeof content === 'string' ? content : content.map((part) => (part.type === 'text' ? part.text : '')).join('')

const isSft = ({ algorithm }: Config) => algorithm.trainer === 'sft'
const length = ({ prompt, target }: Example) => prompt.tokens.length + target.length
