/**
 * The parameters a model specification implies, under our names and in the order of the forward pass. Weights are
 * stored as in Hugging Face checkpoints: (out, in).
 */

import type { DecoderSpec, ModelSpec, VisionSpec } from '../native/types.ts'

export interface ParameterShape {
  name: string
  shape: number[]
}

/**
 * Every parameter of the model exactly once.
 *
 * @example
 * parameterShapes(spec)[0] // { name: 'decoder.embed.weight', shape: [151936, 2048] }
 */
export function parameterShapes(spec: ModelSpec): ParameterShape[] {
  return [...(spec.vision ? visionShapes(spec.vision) : []), ...decoderShapes(spec.decoder)]
}

/** Number of values over all parameters. */
export function parameterCount(spec: ModelSpec): number {
  return parameterShapes(spec).reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0)
}

function decoderShapes(d: DecoderSpec): ParameterShape[] {
  const [q, kv] = [d.heads * d.headDim, d.kvHeads * d.headDim]
  const out: ParameterShape[] = [{ name: 'decoder.embed.weight', shape: [d.vocab, d.hidden] }]
  for (let i = 0; i < d.layers; i++) {
    const add = (name: string, ...shape: number[]) => out.push({ name: `decoder.layers.${i}.${name}`, shape })
    add('attn_norm.weight', d.hidden)
    for (const [name, size] of [
      ['q', q],
      ['k', kv],
      ['v', kv],
    ] as const) {
      add(`${name}.weight`, size, d.hidden)
      if (d.qkvBias) add(`${name}.bias`, size)
    }
    add('o.weight', d.hidden, q)
    if (d.qkNorm) add('q_norm.weight', d.headDim)
    if (d.qkNorm) add('k_norm.weight', d.headDim)
    add('ffn_norm.weight', d.hidden)
    add('gate.weight', d.ffn, d.hidden)
    add('up.weight', d.ffn, d.hidden)
    add('down.weight', d.hidden, d.ffn)
  }
  out.push({ name: 'decoder.norm.weight', shape: [d.hidden] })
  if (!d.tiedHead) out.push({ name: 'decoder.head.weight', shape: [d.vocab, d.hidden] })
  return out
}

function visionShapes(v: VisionSpec): ParameterShape[] {
  const out: ParameterShape[] = [{ name: 'vision.patch.weight', shape: [v.hidden, v.patchDim] }]
  const linear = (name: string, outSize: number, inSize: number) => {
    out.push({ name: `${name}.weight`, shape: [outSize, inSize] }, { name: `${name}.bias`, shape: [outSize] })
  }
  for (let i = 0; i < v.layers; i++) {
    const block = `vision.blocks.${i}`
    out.push({ name: `${block}.norm1.weight`, shape: [v.hidden] })
    linear(`${block}.qkv`, 3 * v.hidden, v.hidden)
    linear(`${block}.proj`, v.hidden, v.hidden)
    out.push({ name: `${block}.norm2.weight`, shape: [v.hidden] })
    linear(`${block}.gate`, v.ffn, v.hidden)
    linear(`${block}.up`, v.ffn, v.hidden)
    linear(`${block}.down`, v.hidden, v.ffn)
  }
  const merged = v.hidden * v.merge * v.merge
  out.push({ name: 'vision.merger.norm.weight', shape: [v.hidden] })
  linear('vision.merger.fc1', merged, merged)
  linear('vision.merger.fc2', v.outHidden, merged)
  return out
}
