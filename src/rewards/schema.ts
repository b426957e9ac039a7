/** The everyday part of JSON Schema, as counts of rules and of those that a value keeps. */
import type { Literal } from './literal.ts'

type Schema = Map<string, Literal>

const keywords = new Set(
  (
    'type enum const properties required additionalProperties items minItems maxItems minimum maximum minLength ' +
    'maxLength title description $schema'
  ).split(' '),
)
const deepest = 10

/** The first keyword that would not be checked, in words; `null` when there is none. */
export function schemaProblem(schema: Schema, depth = 0): string | null {
  if (depth > deepest) return 'one that is nested too deep'
  const unknown = [...schema.keys()].find((key) => !keywords.has(key))
  if (unknown !== undefined) return `"${unknown.slice(0, 40)}"`
  const properties = schema.get('properties')
  const below = [...(properties instanceof Map ? properties.values() : []), schema.get('items')]
  for (const child of below) {
    const problem = child instanceof Map ? schemaProblem(child, depth + 1) : null
    if (problem) return problem
  }
  return null
}

export interface Kept {
  kept: number
  rules: number
}

/** Every keyword is one rule, every required property another; rules below a missing property are broken ones. */
export function checkSchema(value: Literal | undefined, schema: Schema, depth = 0): Kept {
  const total: Kept = { kept: 0, rules: 0 }
  const rule = (holds: boolean) => {
    total.rules++
    if (holds && value !== undefined) total.kept++
  }
  for (const [keyword, limit] of schema)
    if (simple.has(keyword)) rule(value !== undefined && simple.get(keyword)!(value, limit))
  const record = value instanceof Map ? value : null
  const required = schema.get('required')
  if (Array.isArray(required)) for (const name of required) rule(record?.has(String(name)) ?? false)
  const properties = schema.get('properties')
  const known = properties instanceof Map ? properties : new Map<string, Literal>()
  if (schema.get('additionalProperties') === false)
    rule(record !== null && [...record.keys()].every((name) => known.has(name)))
  const needed = new Set(Array.isArray(required) ? required.map(String) : [])
  if (depth > deepest) return total
  for (const [name, child] of known)
    if (child instanceof Map && (record?.has(name) || needed.has(name)))
      addTo(total, checkSchema(record?.get(name), child, depth + 1))
  const items = schema.get('items')
  if (items instanceof Map && Array.isArray(value))
    for (const item of value) addTo(total, checkSchema(item, items, depth + 1))
  return total
}

function addTo(total: Kept, part: Kept): void {
  total.kept += part.kept
  total.rules += part.rules
}

type Check = (value: Literal, limit: Literal) => boolean

const atLeast = (size: number, limit: Literal) => typeof limit === 'number' && size >= limit
const atMost = (size: number, limit: Literal) => typeof limit === 'number' && size <= limit

const simple = new Map<string, Check>([
  ['type', (value, limit) => (Array.isArray(limit) ? limit : [limit]).some((type) => hasType(value, type))],
  ['enum', (value, limit) => Array.isArray(limit) && limit.some((item) => sameValue(item, value))],
  ['const', (value, limit) => sameValue(limit, value)],
  ['minItems', (value, limit) => Array.isArray(value) && atLeast(value.length, limit)],
  ['maxItems', (value, limit) => Array.isArray(value) && atMost(value.length, limit)],
  ['minimum', (value, limit) => typeof value === 'number' && atLeast(value, limit)],
  ['maximum', (value, limit) => typeof value === 'number' && atMost(value, limit)],
  ['minLength', (value, limit) => typeof value === 'string' && atLeast(value.length, limit)],
  ['maxLength', (value, limit) => typeof value === 'string' && atMost(value.length, limit)],
])

function hasType(value: Literal, type: Literal): boolean {
  switch (type) {
    case 'object':
      return value instanceof Map
    case 'array':
      return Array.isArray(value)
    case 'integer':
      return Number.isInteger(value)
    case 'null':
      return value === null
    default:
      return typeof value === type
  }
}

const sameValue = (a: Literal, b: Literal): boolean => JSON.stringify(a, mapAsList) === JSON.stringify(b, mapAsList)

const mapAsList = (_: string, value: unknown) => (value instanceof Map ? [...value].sort() : value)
