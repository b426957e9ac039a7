/** Qwen2.5-VL: windowed ViT, 2 x 2 merger, M-RoPE decoder. */

import { InputError } from '../core/errors.ts'
import type { ModelSpec, VisionSpec } from '../native/types.ts'
import { ConfigFields, isRecord, type RawConfig } from './config_fields.ts'
import { defineFamily, type VisionTokens } from './define.ts'
import { mropePositions, plainPositions } from './positions.ts'
import { readDecoder, readTied, type TextDefaults, withBothRopeForms } from './qwen_text.ts'

const DEFAULTS: TextDefaults = {
  vocab: 152064,
  hidden: 8192,
  ffn: 29568,
  layers: 80,
  heads: 64,
  kvHeads: 8,
  rmsEps: 1e-5,
  ropeTheta: 1e6,
  maxWindowLayers: 80,
}

/** Fields that older configs keep at the root and current ones in `text_config`. */
const TEXT_FIELDS = [
  'attention_dropout',
  'bos_token_id',
  'eos_token_id',
  'pad_token_id',
  'hidden_act',
  'hidden_size',
  'initializer_range',
  'intermediate_size',
  'layer_types',
  'max_position_embeddings',
  'max_window_layers',
  'num_attention_heads',
  'num_hidden_layers',
  'num_key_value_heads',
  'rms_norm_eps',
  'rope_parameters',
  'rope_theta',
  'rope_scaling',
  'sliding_window',
  'use_cache',
  'use_sliding_window',
  'vocab_size',
] as const

function textFields(root: ConfigFields): ConfigFields {
  return root.has('text_config') ? root.object('text_config') : root
}

function readSpec(config: RawConfig): ModelSpec {
  const root = new ConfigFields(config, 'config.json')
  const text = textFields(root)
  const decoder = readDecoder(text, DEFAULTS, readTied(root, text), true)
  if (decoder.headDim * decoder.heads !== decoder.hidden)
    throw new InputError(`${text.where} head_dim`, `hidden_size / num_attention_heads`, decoder.headDim)
  return { decoder, vision: readVision(root.object('vision_config'), decoder.hidden) }
}

function readVision(v: ConfigFields, decoderHidden: number): VisionSpec {
  v.only('hidden_act', ['silu'], 'Only SiLU vision towers are supported')
  const channels = v.size(v.has('in_channels') ? 'in_channels' : 'in_chans', 3)
  if (channels !== 3) throw new InputError(`${v.where} in_channels`, '3', channels, 'Images are read as RGB')
  const [hidden, heads] = [v.size('hidden_size', 3584), v.size('num_heads', 16)]
  if (hidden % heads !== 0 || (hidden / heads) % 4 !== 0)
    throw new InputError(`${v.where} num_heads`, `a head size that is a multiple of 4 for width ${hidden}`, heads)
  const [patchSize, merge] = [v.size('patch_size', 14), v.size('spatial_merge_size', 2)]
  const windowSize = v.size('window_size', 112)
  if (windowSize < patchSize * merge)
    throw new InputError(`${v.where} window_size`, `at least ${patchSize * merge}, one merged patch`, windowSize)
  const layers = v.layers('depth', 32)
  const outHidden = v.size('out_hidden_size', 3584)
  if (outHidden !== decoderHidden)
    throw new InputError(`${v.where} out_hidden_size`, `hidden_size of the decoder, ${decoderHidden}`, outHidden)
  return {
    patchDim: channels * v.size('temporal_patch_size', 2) * patchSize * patchSize,
    hidden,
    layers,
    heads,
    ffn: v.size('intermediate_size', 3420),
    normEps: 1e-6,
    ropeTheta: v.object('rope_parameters').positive('rope_theta', 10000),
    merge,
    patchSize,
    windowSize,
    fullBlocks: fullBlocks(v, layers),
    outHidden,
  }
}

function fullBlocks(v: ConfigFields, layers: number): number[] {
  const blocks = v.sizes('fullatt_block_indexes', [7, 15, 23, 31])
  // Indices past the last block are legal: shortened towers keep the list of the full one.
  return blocks.filter((block) => block < layers)
}

function readVisionTokens(config: RawConfig): VisionTokens {
  const root = new ConfigFields(config, 'config.json')
  const vision = root.object('vision_config')
  const vocab = textFields(root).size('vocab_size', DEFAULTS.vocab)
  const id = (key: string, fallback: number) => {
    const value = root.count(key, fallback)
    if (value >= vocab) throw new InputError(`config.json ${key}`, `a token id below vocab_size ${vocab}`, value)
    return value
  }
  return {
    image: id('image_token_id', 151655),
    video: id('video_token_id', 151656),
    start: id('vision_start_token_id', 151652),
    end: id('vision_end_token_id', 151653),
    merge: vision.size('spatial_merge_size', 2),
    tokensPerSecond: vision.positive('tokens_per_second', 4),
  }
}

function writeConfig(config: RawConfig, dtype: string): Record<string, unknown> {
  const { decoder } = readSpec(config)
  const { torch_dtype: _torchDtype, ...root } = config
  const text: Record<string, unknown> = isRecord(root.text_config) ? { ...root.text_config } : {}
  if (!isRecord(root.text_config)) {
    for (const key of TEXT_FIELDS) if (Object.hasOwn(root, key)) text[key] = root[key]
    for (const key of TEXT_FIELDS) delete (root as Record<string, unknown>)[key]
  }
  const { in_chans: inChans, torch_dtype: _visionTorchDtype, dtype: _visionDtype, ...vision } = visionObject(root)
  return {
    ...root,
    architectures: ['Qwen2_5_VLForConditionalGeneration'],
    model_type: 'qwen2_5_vl',
    dtype,
    tie_word_embeddings: decoder.tiedHead,
    text_config: { ...withBothRopeForms(text, decoder), model_type: 'qwen2_5_vl_text' },
    vision_config: { in_channels: inChans ?? 3, ...vision, model_type: 'qwen2_5_vl_vision' },
  }
}

function visionObject(root: RawConfig): Record<string, unknown> {
  return isRecord(root.vision_config) ? root.vision_config : {}
}

export const qwen2_5_vl = defineFamily({
  name: 'qwen2_5_vl',
  modelTypes: ['qwen2_5_vl'],
  layouts: [
    { text: 'model.', vision: 'visual.', head: 'lm_head.' },
    { text: 'model.language_model.', vision: 'model.visual.', head: 'lm_head.' },
  ],
  imageLimits: { minPixels: 56 * 56, maxPixels: 28 * 28 * 1280 },
  readSpec,
  readVisionTokens,
  writeConfig,
  positions: (tokens, visuals, vision) =>
    vision ? mropePositions(tokens, visuals, vision) : plainPositions(tokens.length),
})
