/** Qwen2 and Qwen2.5 text models. */

import { ConfigFields, type RawConfig } from './config_fields.ts'
import { defineFamily } from './define.ts'
import { plainPositions } from './positions.ts'
import { readDecoder, readTied, type TextDefaults, withBothRopeForms } from './qwen_text.ts'

const DEFAULTS: TextDefaults = {
  vocab: 151936,
  hidden: 4096,
  ffn: 22016,
  layers: 32,
  heads: 32,
  kvHeads: 32,
  rmsEps: 1e-6,
  ropeTheta: null,
  maxWindowLayers: 28,
}

function readSpec(config: RawConfig) {
  const root = new ConfigFields(config, 'config.json')
  return { decoder: readDecoder(root, DEFAULTS, readTied(root, root), false), vision: null }
}

export const qwen2 = defineFamily({
  name: 'qwen2',
  modelTypes: ['qwen2'],
  layouts: [{ text: 'model.', vision: '', head: 'lm_head.' }],
  imageLimits: null,
  readSpec,
  readVisionTokens: () => null,
  writeConfig: (config, dtype) => ({
    ...withBothRopeForms(config, readSpec(config).decoder),
    architectures: ['Qwen2ForCausalLM'],
    model_type: 'qwen2',
    dtype,
  }),
  positions: (tokens) => plainPositions(tokens.length),
})
