/** Writes a model folder made from nothing, all but the weights: config, tokenizer, chat template, image settings. */

import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type ModelConfig, openConfig } from '../checkpoint/hf_folder.ts'
import { createVlConfig, type TinyVlOptions } from '../models/create.ts'
import { type AddedToken, trainBpe } from '../text/train_bpe.ts'

export interface CreateFolderOptions {
  /** Sizes of the model. `vocab` also limits the tokenizer. */
  model: Omit<TinyVlOptions, 'tokens'>
  /** Texts that the tokenizer's merges are learned from. */
  sentences: readonly string[]
  /** Limits of the resized image, in pixels. Default 56 x 56 to 112 x 112. */
  minPixels?: number
  maxPixels?: number
}

const SPECIAL = [
  '<|endoftext|>',
  '<|im_start|>',
  '<|im_end|>',
  '<|vision_start|>',
  '<|vision_end|>',
  '<|image_pad|>',
  '<|video_pad|>',
]
/** One token each, but kept in decoded text: rewards look for them. */
const PLAIN = ['<think>', '</think>', '<answer>', '</answer>']

/** ChatML with image parts, in the form of Qwen2.5-VL's template, without its default system message. */
const CHAT_TEMPLATE = `\
{% for message in messages %}<|im_start|>{{ message['role'] }}
{% if message['content'] is string %}{{ message['content'] }}{% else %}{% for part in message['content'] %}\
{% if part['type'] == 'image' %}<|vision_start|><|image_pad|><|vision_end|>\
{% elif part['type'] == 'video' %}<|vision_start|><|video_pad|><|vision_end|>\
{% elif 'text' in part %}{{ part['text'] }}{% endif %}{% endfor %}{% endif %}<|im_end|>
{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant
{% endif %}`

/**
 * Creates `dir` and its files and returns what `openConfig` reads back. Weights are the caller's: initialise a model
 * with `spec` and save it with `planSave`.
 */
export async function createModelFolder(dir: string, options: CreateFolderOptions): Promise<ModelConfig> {
  const added: AddedToken[] = [
    ...SPECIAL.map((content) => ({ content, special: true })),
    ...PLAIN.map((content) => ({ content, special: false })),
  ]
  const bpe = { vocab: options.model.vocab, added, eos: '<|im_end|>', pad: '<|endoftext|>' }
  const { tokenizer, config, ids } = trainBpe(options.sentences, bpe)
  const tokens = {
    image: ids.get('<|image_pad|>')!,
    video: ids.get('<|video_pad|>')!,
    visionStart: ids.get('<|vision_start|>')!,
    visionEnd: ids.get('<|vision_end|>')!,
    eos: ids.get('<|im_end|>')!,
    pad: ids.get('<|endoftext|>')!,
  }
  const files: Record<string, unknown> = {
    'config.json': createVlConfig({ ...options.model, tokens }),
    'generation_config.json': { eos_token_id: [tokens.eos, tokens.pad], pad_token_id: tokens.pad },
    'tokenizer.json': tokenizer,
    'tokenizer_config.json': config,
    'preprocessor_config.json': imageSettings(options),
    'chat_template.jinja': CHAT_TEMPLATE,
  }
  await mkdir(dir, { recursive: true })
  for (const [name, content] of Object.entries(files))
    await writeFile(join(dir, name), typeof content === 'string' ? content : `${JSON.stringify(content, null, 2)}\n`)
  return openConfig(dir)
}

/** The older file, which every version of transformers reads. */
function imageSettings({ minPixels = 56 * 56, maxPixels = 112 * 112 }: CreateFolderOptions) {
  return {
    min_pixels: minPixels,
    max_pixels: maxPixels,
    patch_size: 14,
    temporal_patch_size: 2,
    merge_size: 2,
    image_mean: [0.48145466, 0.4578275, 0.40821073],
    image_std: [0.26862954, 0.26130258, 0.27577711],
    image_processor_type: 'Qwen2VLImageProcessor',
    processor_class: 'Qwen2_5_VLProcessor',
  }
}
