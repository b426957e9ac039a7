import { expect, test } from 'vitest'
import { createVlConfig } from '../../src/models/create.ts'
import {
  adapterKey,
  adapterShapes,
  familyOf,
  linearNames,
  loraSpec,
  moduleLayout,
  uniformAdapter,
} from '../../src/models/index.ts'

const tokens = { image: 1, video: 2, visionStart: 3, visionEnd: 4, eos: 5, pad: 6 }
const config = createVlConfig({
  ...{ vocab: 40, hidden: 16, layers: 2, heads: 2, kvHeads: 1, ffn: 24, tokens },
  vision: { hidden: 16, layers: 1, heads: 2, ffn: 24, window: 56, fullBlocks: [0] },
})
const family = familyOf(config)
const spec = family.readSpec(config)
const layout = moduleLayout(family)
const settings = { rank: 4, alpha: 8, rankStabilised: false, dropout: 0, targets: 'all-linear', vision: false } as const
const linears = (change: Partial<Parameters<typeof loraSpec>[2]>) =>
  loraSpec(spec, layout, { ...settings, ...change }).targets.map(({ linear }) => linear)

test('all-linear is every linear of the decoder, and of the vision tower on request', () => {
  expect(linears({})).toHaveLength(2 * 7)
  expect(linears({}).some((name) => name.startsWith('vision.'))).toBe(false)
  expect(linears({ vision: true })).toEqual(linearNames(spec))
})

test('last names of modules stay in the decoder; names with * reach what they say', () => {
  expect(linears({ targets: ['q_proj', 'gate_proj'] })).toEqual([
    'decoder.layers.0.q',
    'decoder.layers.0.gate',
    'decoder.layers.1.q',
    'decoder.layers.1.gate',
  ])
  expect(linears({ targets: ['vision.blocks.*.qkv', 'decoder.layers.1.o'] })).toEqual([
    'vision.blocks.0.qkv',
    'decoder.layers.1.o',
  ])
})

test('a target that the model lacks is refused with what there is', () => {
  expect(() => linears({ targets: ['query'] })).toThrow(/lora.targets.*"?query"?.*q_proj/s)
})

test('scale is alpha / rank, or alpha / sqrt(rank)', () => {
  expect(uniformAdapter(loraSpec(spec, layout, settings).targets)).toEqual({ rank: 4, scale: 2 })
  const stabilised = loraSpec(spec, layout, { ...settings, rankStabilised: true })
  expect(uniformAdapter(stabilised.targets)).toEqual({ rank: 4, scale: 4 })
})

test('shapes and names in files of peft', () => {
  const lora = loraSpec(spec, layout, { ...settings, targets: ['down_proj'] })
  expect(adapterShapes({ ...spec, lora })[0]).toEqual({ name: 'decoder.layers.0.down.lora_a.weight', shape: [4, 24] })
  expect(adapterShapes({ ...spec, lora })[1]).toEqual({ name: 'decoder.layers.0.down.lora_b.weight', shape: [16, 4] })
  expect(adapterKey('decoder.layers.0.down.lora_b.weight', layout)).toMatch(
    /^base_model\.model\..*layers\.0\.mlp\.down_proj\.lora_B\.weight$/,
  )
})
