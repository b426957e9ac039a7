/** Config fields of the Qwen2 text decoder, shared by the families that contain one. */

import { InputError } from '../core/errors.ts'
import type { DecoderSpec } from '../native/types.ts'
import { type ConfigFields, isRecord, type RawConfig } from './config_fields.ts'

/** What a config class assumes when a field is left out; saved configs do leave fields out. */
export interface TextDefaults {
  vocab: number
  hidden: number
  ffn: number
  layers: number
  heads: number
  kvHeads: number
  rmsEps: number
  /** `null` = the config has to say. */
  ropeTheta: number | null
  maxWindowLayers: number
}

/**
 * Reads and checks the decoder. `text` is the object with the text fields; `tied` comes from the root of the config.
 * Throws InputError naming the field, also for features that are not supported.
 */
export function readDecoder(text: ConfigFields, defaults: TextDefaults, tied: boolean, mrope: boolean): DecoderSpec {
  const hidden = text.size('hidden_size', defaults.hidden)
  const layers = text.layers('num_hidden_layers', defaults.layers)
  const heads = text.size('num_attention_heads', defaults.heads)
  const kvHeads = text.size('num_key_value_heads', text.has('num_attention_heads') ? heads : defaults.kvHeads)
  if (heads % kvHeads !== 0)
    throw new InputError(`${text.where} num_key_value_heads`, `a divisor of num_attention_heads ${heads}`, kvHeads)
  if (!text.has('head_dim') && hidden % heads !== 0)
    throw new InputError(`${text.where} hidden_size`, `a multiple of num_attention_heads ${heads}`, hidden)
  const headDim = text.size('head_dim', Math.max(1, Math.floor(hidden / heads)))
  if (headDim % 2 !== 0) throw new InputError(`${text.where} head_dim`, 'an even number', headDim)
  text.only('hidden_act', ['silu'], 'Only SiLU decoders are supported')
  refuseWindows(text, layers, defaults.maxWindowLayers)
  const rope = readRope(text, defaults.ropeTheta ?? undefined)
  return {
    vocab: text.size('vocab_size', defaults.vocab),
    hidden,
    layers,
    heads,
    kvHeads,
    headDim,
    ffn: text.size('intermediate_size', defaults.ffn),
    rmsEps: text.positive('rms_norm_eps', defaults.rmsEps),
    ropeTheta: rope.theta,
    qkvBias: true,
    qkNorm: false,
    tiedHead: tied,
    mropeSection: mrope ? checkSection(text, rope.section, headDim) : null,
  }
}

/** `tie_word_embeddings` lives at the root in current configs, in the text block in some older ones. */
export function readTied(root: ConfigFields, text: ConfigFields): boolean {
  return root.flag('tie_word_embeddings', false) || text.flag('tie_word_embeddings', false)
}

/** The same rotary settings in the current and in the older form; see `withBothRopeForms`. */
interface Rope {
  theta: number
  section: unknown
}

/** `rope_parameters` (current) or `rope_theta` + `rope_scaling` (older). */
function readRope(text: ConfigFields, fallback: number | undefined): Rope {
  const current = text.has('rope_parameters')
  const rope = text.object(current ? 'rope_parameters' : 'rope_scaling')
  for (const key of ['rope_type', 'type'])
    rope.only(key, ['default', 'mrope'], 'Scaled rotary embeddings are not supported')
  rope.only('partial_rotary_factor', [1], 'Partial rotary embeddings are not supported')
  const theta = (rope.has('rope_theta') ? rope : text).positive('rope_theta', fallback)
  return { theta, section: rope.values.mrope_section }
}

function checkSection(text: ConfigFields, section: unknown, headDim: number): [number, number, number] {
  const where = `${text.where} mrope_section`
  const ok = Array.isArray(section) && section.length === 3 && section.every((n) => Number.isInteger(n) && n >= 0)
  if (!ok) throw new InputError(where, 'three integers >= 0', section)
  const [t, h, w] = section as [number, number, number]
  if (t + h + w !== headDim / 2) throw new InputError(where, `a sum of head_dim / 2 = ${headDim / 2}`, section)
  return [t, h, w]
}

function refuseWindows(text: ConfigFields, layers: number, maxWindowLayers: number): void {
  const remedy = 'Sliding-window attention is not supported'
  const types = text.values.layer_types
  if (types !== undefined && types !== null) {
    if (!Array.isArray(types) || types.some((type) => type !== 'full_attention'))
      throw new InputError(`${text.where} layer_types`, 'full_attention in every layer', types, remedy)
    return
  }
  const used = text.flag('use_sliding_window', false) && text.has('sliding_window')
  if (used && text.count('max_window_layers', maxWindowLayers) < layers)
    throw new InputError(`${text.where} use_sliding_window`, 'false', true, remedy)
}

/**
 * The text fields with the rotary settings in both forms, so that current and older readers compute the same.
 * The older form alone is misread by neither; the current form alone makes older readers fall back to theta 10000.
 */
export function withBothRopeForms(text: RawConfig, decoder: DecoderSpec): Record<string, unknown> {
  const section = decoder.mropeSection ? { mrope_section: decoder.mropeSection } : {}
  const known = isRecord(text.rope_parameters) ? text.rope_parameters : {}
  const { torch_dtype: _torchDtype, dtype: _dtype, ...rest } = text
  return {
    ...rest,
    rope_parameters: { ...known, ...section, rope_theta: decoder.ropeTheta, rope_type: 'default' },
    rope_theta: decoder.ropeTheta,
    rope_scaling: decoder.mropeSection ? { type: 'mrope', ...section } : null,
    tie_word_embeddings: decoder.tiedHead,
  }
}
