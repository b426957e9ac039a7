/**
 * Which linears get a low-rank adapter, and what the adapter's parameters are called here and in files of the peft
 * library.
 *
 *   ours   decoder.layers.0.q.lora_a.weight
 *   peft   base_model.model.model.language_model.layers.0.self_attn.q_proj.lora_A.weight
 */

import { InputError } from '../core/errors.ts'
import type { LoraSpec, LoraTarget, ModelSpec } from '../native/types.ts'
import { checkpointKey } from './checkpoint_keys.ts'
import type { Family, KeyLayout } from './define.ts'
import { type ParameterShape, parameterShapes } from './parameters.ts'

export interface LoraSettings {
  rank: number
  /** The adapter's product is multiplied by alpha / rank, or alpha / sqrt(rank) with `rankStabilised`. */
  alpha: number
  rankStabilised: boolean
  dropout: number
  /** `all-linear`, last names of modules such as `q_proj`, or our names with `*` for a part: `decoder.layers.*.q`. */
  targets: 'all-linear' | readonly string[]
  /** Without it `all-linear` and last names mean the decoder only. */
  vision: boolean
}

/** Names of the model's linear layers; embedding and head are none. */
export function linearNames(spec: ModelSpec): string[] {
  return parameterShapes(spec)
    .filter(({ name, shape }) => shape.length === 2 && !/^decoder\.(embed|head)\./.test(name))
    .map(({ name }) => name.replace(/\.weight$/, ''))
}

/**
 * @throws InputError for a target that names no linear of the model.
 * @example
 * loraSpec(spec, layout, { rank: 16, alpha: 32, rankStabilised: false, dropout: 0, targets: ['q_proj'], vision: false })
 */
export function loraSpec(spec: ModelSpec, layout: KeyLayout, settings: LoraSettings): LoraSpec {
  const { rank, alpha, rankStabilised, dropout, vision } = settings
  const linears = linearNames(spec)
  const wanted = settings.targets === 'all-linear' ? ['*'] : settings.targets
  const chosen = new Set<string>()
  for (const target of wanted) {
    const found = linears.filter((linear) => matches(target, linear, vision, layout))
    if (found.length === 0) throw new InputError('lora.targets', targetsExpected, target, knownTargets(linears, layout))
    for (const linear of found) chosen.add(linear)
  }
  const scale = alpha / (rankStabilised ? Math.sqrt(rank) : rank)
  return { targets: linears.filter((l) => chosen.has(l)).map((linear) => ({ linear, rank, scale })), dropout }
}

const targetsExpected = 'the last name of a linear module, or a name such as decoder.layers.*.q'

function knownTargets(linears: readonly string[], layout: KeyLayout): string {
  const names = new Set(linears.map((linear) => moduleName(linear, layout).split('.').at(-1)))
  return `This model has ${[...names].join(', ')}`
}

function matches(target: string, linear: string, vision: boolean, layout: KeyLayout): boolean {
  if (target.includes('.')) {
    const [wanted, parts] = [target.split('.'), linear.split('.')]
    return wanted.length === parts.length && wanted.every((part, i) => part === '*' || part === parts[i])
  }
  if (linear.startsWith('vision.') && !vision) return false
  return target === '*' || moduleName(linear, layout).split('.').at(-1) === target
}

/** Where the modules of a family are in the current original implementation: peft names modules, not file keys. */
export const moduleLayout = (family: Family): KeyLayout => family.layouts.at(-1)!

/** The module of a linear in the original implementation. */
export function moduleName(linear: string, layout: KeyLayout): string {
  return checkpointKey(`${linear}.weight`, layout).replace(/\.weight$/, '')
}

/** Parameters of the adapters, in the order of `parameterShapes`. */
export function adapterShapes(spec: ModelSpec): ParameterShape[] {
  const sizes = new Map(parameterShapes(spec).map(({ name, shape }) => [name, shape]))
  return (spec.lora?.targets ?? []).flatMap(({ linear, rank }) => {
    const [outputs, inputs] = sizes.get(`${linear}.weight`)! as [number, number]
    return [
      { name: `${linear}.lora_a.weight`, shape: [rank, inputs] },
      { name: `${linear}.lora_b.weight`, shape: [outputs, rank] },
    ]
  })
}

const peftPrefix = 'base_model.model.'

/** The key of an adapter's parameter in a file of peft. */
export function adapterKey(name: string, layout: KeyLayout): string {
  const end = name.endsWith('.lora_a.weight') ? '.lora_A.weight' : '.lora_B.weight'
  const linear = name.slice(0, -end.length)
  return `${peftPrefix}${moduleName(linear, layout)}${end}`
}

/** Every key of peft that may stand for an adapter's parameter of this model -> our name. */
export function adapterKeyMap(spec: ModelSpec, layouts: readonly KeyLayout[]): Map<string, string> {
  const out = new Map<string, string>()
  for (const linear of linearNames(spec))
    for (const layout of layouts)
      for (const part of ['lora_a', 'lora_b']) {
        const name = `${linear}.${part}.weight`
        out.set(adapterKey(name, layout), name)
      }
  return out
}

/** Targets with one rank and scale, or null: what peft calls `r` and `lora_alpha`. */
export function uniformAdapter(targets: readonly LoraTarget[]): { rank: number; scale: number } | null {
  const first = targets[0]
  const same = first && targets.every(({ rank, scale }) => rank === first.rank && scale === first.scale)
  return same ? { rank: first.rank, scale: first.scale } : null
}
