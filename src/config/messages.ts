/** What zod found, in the words of the project: where, what was expected, what was there, what to do. */
import type { z } from 'zod'
import { InputError, show } from '../core/errors.ts'
import { suggest } from '../core/suggest.ts'
import { explain, knownKeys } from './explain.ts'
import type { ConfigSource, KeyPath } from './source.ts'
import { showPath } from './source.ts'

type Issue = z.core.$ZodIssue

const typeWords: Record<string, string> = {
  int: 'whole number',
  object: 'mapping of keys',
  array: 'list',
  boolean: 'true or false',
}

/** Every problem of a configuration at once; the message has one line per problem. */
export class ConfigError extends InputError {
  override name = 'ConfigError'
  readonly problems: InputError[]

  constructor(problems: InputError[]) {
    const first = problems[0]!
    super(first.where, 'a valid configuration', 'problems', first.remedy)
    this.problems = problems
    this.message = problems.map((problem) => problem.message).join('\n')
  }
}

/** @param root the value that was checked, for showing what was received */
export function toErrors(issues: readonly Issue[], root: unknown, source: ConfigSource): InputError[] {
  return issues.flatMap((issue) => describe(issue, [], root, source))
}

function describe(issue: Issue, above: KeyPath, root: unknown, source: ConfigSource): InputError[] {
  const path = [...above, ...(issue.path as KeyPath)]
  if (issue.code === 'unrecognized_keys')
    return issue.keys.map((key) => unknownKey([...path, key], source, knownKeys(path)))
  const value = valueAt(root, path)
  if (issue.code === 'invalid_union' && issue.errors.length > 0) {
    const branch = closestBranch(issue.errors)
    return branch.flatMap((inner) => describe(inner, path, root, source))
  }
  const where = `${source.place(path)} ${showPath(path)}`.trim()
  return [new InputError(where, expectation(issue, value), value, remedyFor(issue, value, path))]
}

/** Of a union's branches the one with the least wrong, so that the message speaks of what was meant. */
function closestBranch(branches: Issue[][]): Issue[] {
  const cost = (issues: Issue[]) =>
    issues.reduce((sum, issue) => sum + (issue.code === 'unrecognized_keys' ? 2 : issue.path.length === 0 ? 4 : 1), 0)
  return branches.reduce((best, branch) => (cost(branch) < cost(best) ? branch : best))
}

function unknownKey(path: KeyPath, source: ConfigSource, candidates: string[]): InputError {
  const key = String(path.at(-1))
  const close = suggest(key, candidates)
  const remedy = close ? `Did you mean "${close}"?` : `Known keys: ${candidates.join(', ')}.`
  return new InputError(`${source.place(path, true)} ${showPath(path)}`, 'a known key', key, remedy)
}

function expectation(issue: Issue, value: unknown): string {
  switch (issue.code) {
    case 'invalid_type':
      return typeWords[issue.expected] ?? issue.expected
    case 'too_small':
      return bound(issue.origin, issue.inclusive === false ? 'more than' : 'at least', issue.minimum)
    case 'too_big':
      return bound(issue.origin, issue.inclusive === false ? 'less than' : 'at most', issue.maximum)
    case 'invalid_value':
      return oneOf(issue.values)
    case 'custom':
      return issue.message
    default:
      return `${issue.message} (${show(value)})`
  }
}

const mostListed = 10

function oneOf(values: readonly unknown[]): string {
  if (values.length === 1) return show(values[0])
  const more = values.length - mostListed
  return `one of ${values.slice(0, mostListed).join(', ')}${more > 0 ? ` and ${more} more` : ''}`
}

function bound(origin: string, relation: string, limit: number | bigint): string {
  if (origin === 'string') return 'text that is not empty'
  return origin === 'array' ? `${relation} ${limit} ${limit === 1 ? 'entry' : 'entries'}` : `${relation} ${limit}`
}

function remedyFor(issue: Issue, value: unknown, path: KeyPath): string {
  if (value === undefined) return requiredRemedy(showPath(path))
  if (issue.code === 'custom') return String(issue.params?.remedy ?? '')
  if (issue.code !== 'invalid_value' || typeof value !== 'string') return ''
  const close = suggest(value, issue.values.map(String))
  return close ? `Did you mean "${close}"?` : ''
}

function requiredRemedy(key: string): string {
  const { keys } = explain(key)
  const required = keys.filter((name) => explain(`${key}.${name}`).required)
  return required.length > 0 ? `It is required, with ${required.join(' and ')} in it.` : 'It is required.'
}

function valueAt(root: unknown, path: KeyPath): unknown {
  let value = root
  for (const key of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return undefined
    value = (value as Record<string | number, unknown>)[key]
  }
  return value
}
