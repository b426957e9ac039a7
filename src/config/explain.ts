/** Documentation of every key, read from the schema itself. */
import { z } from 'zod'
import { InputError } from '../core/errors.ts'
import { suggest } from '../core/suggest.ts'
import { configTree } from './schema.ts'
import type { KeyPath } from './source.ts'

export interface KeyDoc {
  key: string
  about: string
  /** E.g. `one of grpo, sft`, `whole number from 1`, `list of text`. */
  type: string
  /** `undefined` for sections and required keys. */
  default?: unknown
  required: boolean
  /** Keys below it; empty for a plain value. */
  keys: string[]
}

type JsonSchema = z.core.JSONSchema.BaseSchema

let cached: JsonSchema | undefined

/** JSON schema of the configuration file, for editors. */
export function configJsonSchema(): JsonSchema {
  cached ??= z.toJSONSchema(configTree, { io: 'input' })
  return cached
}

/**
 * What a key means. The empty key is the whole tree.
 * @throws InputError for an unknown key, with the closest known one.
 * @example explain('rollout.groupSize').default // 8
 */
export function explain(key: string): KeyDoc {
  let node: JsonSchema = configJsonSchema()
  let required = true
  const walked: string[] = []
  for (const part of key === '' ? [] : key.split('.')) {
    const next = child(node, part)
    if (!next) {
      const names = childNames(node)
      const close = suggest(part, names)
      const candidate = [...walked, close].join('.')
      throw new InputError(
        key,
        'a configuration key',
        part,
        close ? `Did you mean "${candidate}"?` : `Known: ${names.join(', ')}.`,
      )
    }
    required = node.required?.includes(part) ?? false
    node = next
    walked.push(part)
  }
  return {
    key,
    about: node.description ?? '',
    type: typeOf(node),
    default: childNames(node).length > 0 && node.type !== 'array' ? undefined : node.default,
    required,
    keys: childNames(node),
  }
}

/** The names that may stand below a path; empty where the schema has no names. */
export function knownKeys(path: KeyPath): string[] {
  let node: JsonSchema | null = configJsonSchema()
  for (const part of path) node = node && child(node, String(part))
  return node ? childNames(node) : []
}

/** All keys that hold a value, dotted, in the order of the schema. */
export function leafKeys(prefix = ''): string[] {
  return explain(prefix).keys.flatMap((name) => {
    const key = prefix === '' ? name : `${prefix}.${name}`
    const { keys, type } = explain(key)
    return keys.length > 0 && !type.startsWith('list') ? leafKeys(key) : [key]
  })
}

function branches(node: JsonSchema): JsonSchema[] {
  return [node, ...((node.anyOf ?? node.oneOf ?? []) as JsonSchema[])]
}

function child(node: JsonSchema, name: string): JsonSchema | null {
  if (node.type === 'array') {
    const items = node.items as JsonSchema
    return /^\d+$/.test(name) ? items : child(items, name)
  }
  const found = branches(node).filter(({ properties }) => properties && Object.hasOwn(properties, name))
  const nodes = found.map(({ properties }) => properties![name] as JsonSchema)
  return nodes.length > 1 ? joined(nodes, found) : (nodes[0] ?? null)
}

/** One key of several kinds of a section: the kinds it may have, and where its default depends on them. */
function joined(nodes: readonly JsonSchema[], branches: readonly JsonSchema[]): JsonSchema {
  const kinds = branches.map(({ properties }) => (properties?.kind as JsonSchema | undefined)?.const)
  if (nodes.every((node) => node.const !== undefined || node.enum)) {
    const values = nodes.flatMap((node) => node.enum ?? [node.const])
    return { ...nodes[0], const: undefined, enum: [...new Set(values)] } as JsonSchema
  }
  if (new Set(nodes.map((node) => JSON.stringify(node.default))).size < 2) return nodes[0]!
  const defaults = nodes.map((node, i) => `${kinds[i]} ${JSON.stringify(node.default)}`).join(', ')
  return { ...nodes[0], description: `${nodes[0]!.description} Default: ${defaults}.` }
}

function childNames(node: JsonSchema): string[] {
  if (node.type === 'array') return childNames(node.items as JsonSchema)
  return [...new Set(branches(node).flatMap(({ properties }) => Object.keys(properties ?? {})))]
}

function typeOf(node: JsonSchema): string {
  if (node.anyOf) return [...new Set((node.anyOf as JsonSchema[]).map(typeOf))].join(' or ')
  if (Array.isArray(node.type)) return (node.type as 'string'[]).map((type) => typeOf({ ...node, type })).join(' or ')
  if (node.enum) return node.enum.length === 1 ? String(node.enum[0]) : `one of ${node.enum.join(', ')}`
  if (node.type === 'array') return `list of ${typeOf(node.items as JsonSchema)}`
  if (node.type === 'object') return 'section'
  if (node.type === 'string') return 'text'
  if (node.type === 'boolean') return 'true or false'
  if (node.type === 'integer' || node.type === 'number') return numberType(node)
  return String(node.type)
}

function numberType(node: JsonSchema): string {
  const kind = node.type === 'integer' ? 'whole number' : 'number'
  const low = node.exclusiveMinimum !== undefined ? `above ${node.exclusiveMinimum}` : bounded('from', node.minimum)
  const high = node.exclusiveMaximum !== undefined ? `below ${node.exclusiveMaximum}` : bounded('to', node.maximum)
  return [kind, low, high].filter(Boolean).join(' ')
}

const bounded = (word: string, limit: number | undefined) =>
  limit === undefined || Math.abs(limit) >= Number.MAX_SAFE_INTEGER ? '' : `${word} ${limit}`
