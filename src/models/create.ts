/** The config of a Qwen2.5-VL model made from nothing, for demonstrations and tests. */

import { InputError } from '../core/errors.ts'
import type { RawConfig } from './config_fields.ts'
import { qwen2_5_vl } from './qwen2_5_vl.ts'

export interface TinyVlOptions {
  vocab: number
  hidden: number
  layers: number
  heads: number
  kvHeads: number
  ffn: number
  vision: {
    hidden: number
    layers: number
    heads: number
    ffn: number
    /** Attention window side in pixels. */
    window: number
    /** Blocks that see the whole image. */
    fullBlocks: number[]
  }
  tokens: {
    image: number
    video: number
    visionStart: number
    visionEnd: number
    eos: number
    pad: number
  }
}

/**
 * A complete config.json with a tied head. Throws InputError when the sizes do not fit together.
 *
 * @example
 * const config = createVlConfig({ vocab: 512, hidden: 128, layers: 4, heads: 4, kvHeads: 2, ffn: 384, vision, tokens })
 */
export function createVlConfig(options: TinyVlOptions): RawConfig {
  const { hidden, heads, vision, tokens } = options
  if (hidden % heads !== 0) throw new InputError('createVlConfig hidden', `a multiple of heads ${heads}`, hidden)
  const config = {
    tie_word_embeddings: true,
    image_token_id: tokens.image,
    video_token_id: tokens.video,
    vision_start_token_id: tokens.visionStart,
    vision_end_token_id: tokens.visionEnd,
    text_config: {
      bos_token_id: null,
      eos_token_id: tokens.eos,
      pad_token_id: tokens.pad,
      hidden_act: 'silu',
      hidden_size: hidden,
      intermediate_size: options.ffn,
      max_position_embeddings: 4096,
      max_window_layers: options.layers,
      num_attention_heads: heads,
      num_hidden_layers: options.layers,
      num_key_value_heads: options.kvHeads,
      rms_norm_eps: 1e-6,
      rope_parameters: { mrope_section: splitSection(hidden / heads / 2), rope_theta: 1e6, rope_type: 'default' },
      use_sliding_window: false,
      vocab_size: options.vocab,
    },
    vision_config: {
      depth: vision.layers,
      fullatt_block_indexes: vision.fullBlocks,
      hidden_act: 'silu',
      hidden_size: vision.hidden,
      in_channels: 3,
      intermediate_size: vision.ffn,
      num_heads: vision.heads,
      out_hidden_size: hidden,
      patch_size: 14,
      spatial_merge_size: 2,
      temporal_patch_size: 2,
      tokens_per_second: 2,
      window_size: vision.window,
    },
  }
  qwen2_5_vl.readVisionTokens(config)
  return qwen2_5_vl.writeConfig(config, 'float32')
}

/** A quarter of the rotary pairs for time, the rest in equal halves for height and width, as in the released models. */
function splitSection(pairs: number): [number, number, number] {
  const side = Math.floor((pairs * 3) / 8)
  return [pairs - 2 * side, side, side]
}
