import { describe, expect, it } from 'vitest'
import { InputError } from '../../src/core/errors.ts'
import {
  checkpointKey,
  checkpointKeyMap,
  families,
  familyOf,
  parameterCount,
  parameterShapes,
  type RawConfig,
} from '../../src/models/index.ts'
import { fixtureJson } from '../harness/fixtures.ts'

const text = fixtureJson<RawConfig>('models/qwen2/config.json')
const vl = fixtureJson<RawConfig>('models/qwen2_5_vl/config.json')
const textOf = (config: RawConfig) => config.text_config as Record<string, unknown>
const withText = (change: object) => ({ ...vl, text_config: { ...textOf(vl), ...change } })
const withVision = (change: object) => ({ ...vl, vision_config: { ...(vl.vision_config as object), ...change } })

describe.each(Object.values(families))('family $name', (family) => {
  const dir = `models/${family.name}`
  const config = fixtureJson<RawConfig>(`${dir}/config.json`)
  const spec = family.readSpec(config)

  it('is found by its model_type', () => expect(familyOf(config)).toBe(family))

  it('reads the current and the older config form to the same model', () => {
    const older = fixtureJson<RawConfig>(`${dir}/config_variants/config.hub_v4_style.json`)
    expect(family.readSpec(older)).toEqual(spec)
    expect(family.readVisionTokens(older)).toEqual(family.readVisionTokens(config))
  })

  it('knows every key that transformers saves, in every layout', () => {
    const map = fixtureJson<{ parameter_to_saved_key: Record<string, string> }>(`${dir}/key_map.json`)
    const keys = checkpointKeyMap(family, spec)
    const entries = Object.entries(map.parameter_to_saved_key).filter(([key]) => key !== 'lm_head.weight')
    for (const [current, saved] of entries) {
      expect(keys.get(saved), saved).toBeDefined()
      expect(keys.get(current)).toBe(keys.get(saved))
    }
    expect(new Set(entries.map(([, saved]) => keys.get(saved))).size).toBe(parameterShapes(spec).length)
  })

  it('maps every name to a key of its own and back', () => {
    const keys = checkpointKeyMap(family, spec)
    for (const { name } of parameterShapes(spec))
      for (const layout of family.layouts) expect(keys.get(checkpointKey(name, layout))).toBe(name)
  })

  it('writes a config that it reads back, with the fields older readers need', () => {
    for (const source of [config, fixtureJson<RawConfig>(`${dir}/config_variants/config.hub_v4_style.json`)]) {
      const written = family.writeConfig(source, 'bfloat16')
      expect(family.readSpec(written)).toEqual(spec)
      expect(family.writeConfig(written, 'bfloat16')).toEqual(written)
      expect(written).toMatchObject({ model_type: family.name, dtype: 'bfloat16', tie_word_embeddings: true })
      expect(written).not.toHaveProperty('torch_dtype')
      const block = (written.text_config ?? written) as Record<string, unknown>
      expect(block).toMatchObject({ rope_theta: 1e6, rope_parameters: { rope_theta: 1e6, rope_type: 'default' } })
      expect(block.tie_word_embeddings).toBe(true)
      expect(block.rope_scaling).toEqual(
        spec.decoder.mropeSection ? { type: 'mrope', mrope_section: spec.decoder.mropeSection } : null,
      )
    }
  })
})

describe('specs', () => {
  it('reads the numbers of the fixtures', () => {
    expect(families.qwen2.readSpec(text).decoder).toMatchObject({ hidden: 80, heads: 5, kvHeads: 1, headDim: 16 })
    expect(families.qwen2_5_vl.readSpec(vl)).toMatchObject({
      decoder: { mropeSection: [2, 3, 3], tiedHead: true, ropeTheta: 1e6 },
      vision: { patchDim: 1176, fullBlocks: [1, 3], windowSize: 56, merge: 2, outHidden: 64 },
    })
    expect(parameterCount(families.qwen2.readSpec(text))).toBe((1272152 - 3928) / 4)
  })

  it('takes the defaults of the config class for what a saved config leaves out', () => {
    const bare = { model_type: 'qwen2_5_vl', text_config: { rope_scaling: { mrope_section: [16, 24, 24] } } }
    const vision = { hidden_size: 1280, out_hidden_size: 8192, in_chans: 3 }
    const spec = families.qwen2_5_vl.readSpec({ ...bare, vision_config: vision })
    expect(spec.decoder).toMatchObject({ hidden: 8192, kvHeads: 8, rmsEps: 1e-5, ropeTheta: 1e6, tiedHead: false })
    expect(spec.vision).toMatchObject({ layers: 32, ffn: 3420, fullBlocks: [7, 15, 23, 31], windowSize: 112 })
  })

  it('ties the head when either the root or the text block says so', () => {
    const { tie_word_embeddings: _, ...rest } = withText({ tie_word_embeddings: true }) as Record<string, unknown>
    expect(familyOf(rest).readSpec(rest).decoder.tiedHead).toBe(true)
    expect(familyOf(vl).readSpec({ ...vl, tie_word_embeddings: false }).decoder.tiedHead).toBe(false)
  })

  it('has a head of its own when untied', () => {
    const names = parameterShapes(families.qwen2.readSpec({ ...text, tie_word_embeddings: false }))
    expect(names.at(-1)).toEqual({ name: 'decoder.head.weight', shape: [1792, 80] })
  })
})

describe('refusals', () => {
  it.each<[string, RawConfig, RegExp]>([
    [
      'unknown family',
      { ...text, model_type: 'mamba' },
      /model_type: expected qwen2 or qwen2_5_vl but received "mamba"/,
    ],
    ['no model_type', { hidden_size: 8 }, /model_type: expected .* but received nothing/],
    ['quantised', { ...text, quantization_config: { bits: 4 } }, /quantization_config: expected none/],
    ['zero width', { ...text, hidden_size: 0 }, /hidden_size: expected a positive integer but received 0/],
    ['fractional layers', { ...text, num_hidden_layers: 1.5 }, /num_hidden_layers: expected an integer from 1 to 4096/],
    ['endless layers', { ...text, num_hidden_layers: 1e9 }, /num_hidden_layers: expected an integer from 1 to 4096/],
    ['endless blocks', withVision({ depth: 1e9 }), /depth: expected an integer from 1 to 4096/],
    ['huge vocabulary', { ...text, vocab_size: 2 ** 40 }, /vocab_size: expected a positive integer/],
    ['string', { ...text, intermediate_size: '176' }, /intermediate_size: expected a positive integer/],
    ['kv heads', { ...text, num_key_value_heads: 2 }, /num_key_value_heads: expected a divisor .* 5 but received 2/],
    ['odd head', { ...text, head_dim: 15 }, /head_dim: expected an even number but received 15/],
    ['indivisible width', { ...text, hidden_size: 81 }, /hidden_size: expected a multiple/],
    ['activation', { ...text, hidden_act: 'gelu' }, /hidden_act: expected "silu" but received "gelu"/],
    ['eps', { ...text, rms_norm_eps: 0 }, /rms_norm_eps: expected a positive number/],
    ['no theta', { ...text, rope_parameters: { rope_type: 'default' } }, /rope_theta: expected a positive number/],
    ['yarn', { ...text, rope_parameters: { rope_theta: 1e6, rope_type: 'yarn' } }, /rope_type: expected "default"/],
    ['old yarn', { ...text, rope_parameters: null, rope_theta: 1, rope_scaling: { type: 'yarn' } }, /type: expected/],
    ['windows', { ...text, layer_types: ['full_attention', 'sliding_attention'] }, /layer_types: .*Sliding/],
    [
      'windows by flag',
      { ...text, layer_types: null, use_sliding_window: true, sliding_window: 64, max_window_layers: 1 },
      /use_sliding_window: expected false/,
    ],
    ['section sum', withText({ rope_parameters: { rope_theta: 1, mrope_section: [2, 2, 2] } }), /sum of head_dim/],
    ['section length', withText({ rope_parameters: { rope_theta: 1, mrope_section: [8] } }), /three integers/],
    ['no section', withText({ rope_parameters: { rope_theta: 1 } }), /mrope_section: expected three integers/],
    ['vision heads', withVision({ num_heads: 5 }), /num_heads: expected a head size/],
    ['vision output', withVision({ out_hidden_size: 32 }), /out_hidden_size: expected .* 64 but received 32/],
    ['channels', withVision({ in_channels: 4 }), /in_channels: expected 3/],
    ['window', withVision({ window_size: 14 }), /window_size: expected at least 28/],
    ['blocks', withVision({ fullatt_block_indexes: [-1] }), /fullatt_block_indexes: expected a list/],
    ['vision type', { ...vl, vision_config: [] }, /vision_config: expected an object/],
  ])('%s', (_, config, message) => {
    const read = () => familyOf(config).readSpec(config)
    expect(read).toThrow(InputError)
    expect(read).toThrow(message)
  })

  it('an image token outside the vocabulary', () => {
    expect(() => families.qwen2_5_vl.readVisionTokens({ ...vl, image_token_id: 1792 })).toThrow(/below vocab_size 1792/)
  })
})
