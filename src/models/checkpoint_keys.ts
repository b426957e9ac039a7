/**
 * Our parameter names <-> the keys of Hugging Face checkpoints. The two layouts in use differ in their prefixes only:
 *
 *   ours                             original layout                        current layout
 *   decoder.layers.0.q.weight        model.layers.0.self_attn.q_proj.weight model.language_model.layers.0.self_attn...
 *   vision.merger.fc1.bias           visual.merger.mlp.0.bias               model.visual.merger.mlp.0.bias
 *   decoder.head.weight              lm_head.weight                         lm_head.weight
 */

import { InputError } from '../core/errors.ts'
import type { ModelSpec } from '../native/types.ts'
import type { Family, KeyLayout } from './define.ts'
import { parameterShapes } from './parameters.ts'

const LAYER_PARTS: Record<string, string> = {
  attn_norm: 'input_layernorm',
  q: 'self_attn.q_proj',
  k: 'self_attn.k_proj',
  v: 'self_attn.v_proj',
  o: 'self_attn.o_proj',
  q_norm: 'self_attn.q_norm',
  k_norm: 'self_attn.k_norm',
  ffn_norm: 'post_attention_layernorm',
  gate: 'mlp.gate_proj',
  up: 'mlp.up_proj',
  down: 'mlp.down_proj',
}

const BLOCK_PARTS: Record<string, string> = {
  norm1: 'norm1',
  qkv: 'attn.qkv',
  proj: 'attn.proj',
  norm2: 'norm2',
  gate: 'mlp.gate_proj',
  up: 'mlp.up_proj',
  down: 'mlp.down_proj',
}

const MERGER_PARTS: Record<string, string> = { norm: 'ln_q', fc1: 'mlp.0', fc2: 'mlp.2' }

/**
 * The key of one of our parameters in a checkpoint of the given layout.
 *
 * @example
 * checkpointKey('decoder.norm.weight', { text: 'model.', vision: 'visual.', head: 'lm_head.' }) // 'model.norm.weight'
 */
export function checkpointKey(name: string, layout: KeyLayout): string {
  const parts = name.split('.')
  const kind = parts.at(-1)
  switch (`${parts[0]}.${parts[1]}`) {
    case 'decoder.embed':
      return `${layout.text}embed_tokens.${kind}`
    case 'decoder.norm':
      return `${layout.text}norm.${kind}`
    case 'decoder.head':
      return `${layout.head}${kind}`
    case 'decoder.layers':
      return `${layout.text}layers.${parts[2]}.${LAYER_PARTS[parts[3]!]}.${kind}`
    case 'vision.patch':
      return `${layout.vision}patch_embed.proj.${kind}`
    case 'vision.blocks':
      return `${layout.vision}blocks.${parts[2]}.${BLOCK_PARTS[parts[3]!]}.${kind}`
    case 'vision.merger':
      return `${layout.vision}merger.${MERGER_PARTS[parts[2]!]}.${kind}`
    default:
      throw new InputError('checkpointKey', 'a parameter name of this project', name)
  }
}

/** Every accepted checkpoint key of the model -> our name. */
export function checkpointKeyMap(family: Family, spec: ModelSpec): Map<string, string> {
  const out = new Map<string, string>()
  for (const { name } of parameterShapes(spec))
    for (const layout of family.layouts) out.set(checkpointKey(name, layout), name)
  return out
}

/** The shape a parameter has in a checkpoint: ours, except that the patch embedding is stored as a convolution. */
export function checkpointShape(name: string, shape: readonly number[], spec: ModelSpec): number[] {
  if (name !== 'vision.patch.weight' || !spec.vision) return [...shape]
  const side = spec.vision.patchSize
  return [shape[0]!, 3, spec.vision.patchDim / (3 * side * side), side, side]
}
