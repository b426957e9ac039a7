/**
 * What a reward or a method can be told: named parameters with a kind, a range, a default and a sentence each, as plain data, so
 * that the configuration, the documentation and programs check the same things.
 */
import { InputError, show } from './errors.ts'
import { suggest } from './suggest.ts'

interface About<T> {
  readonly default: T
  /** One sentence for the documentation. */
  readonly about: string
}

export type Parameter =
  | (About<number> & { readonly kind: 'number'; readonly min: number; readonly max: number; readonly whole: boolean })
  | (About<boolean> & { readonly kind: 'flag' })
  | (About<string> & { readonly kind: 'choice'; readonly values: readonly string[] })
  | (About<string> & { readonly kind: 'text' })
  | (About<readonly string[]> & { readonly kind: 'texts' })

export type Parameters = Readonly<Record<string, Parameter>>

/** The values of a set of parameters. */
export type Values<P extends Parameters> = {
  readonly [K in keyof P]: P[K] extends { kind: 'choice'; values: readonly (infer V)[] } ? V : P[K]['default']
}

export const decimal = (value: number, about: string, min = -1e9, max = 1e9) =>
  ({ kind: 'number', default: value, min, max, whole: false, about }) as const satisfies Parameter

export const whole = (value: number, about: string, min = 0, max = 1e9) =>
  ({ kind: 'number', default: value, min, max, whole: true, about }) as const satisfies Parameter

export const flag = (value: boolean, about: string) =>
  ({ kind: 'flag', default: value as boolean, about }) as const satisfies Parameter

export const choice = <const V extends readonly [string, ...string[]]>(values: V, about: string, first = values[0]) =>
  ({ kind: 'choice', default: first, values, about }) as {
    kind: 'choice'
    default: V[number]
    values: V
    about: string
  }

export const text = (value: string, about: string) =>
  ({ kind: 'text', default: value as string, about }) as const satisfies Parameter

export const texts = (value: readonly string[], about: string) =>
  ({ kind: 'texts', default: value, about }) as const satisfies Parameter

export const defaultsOf = <P extends Parameters>(parameters: P): Values<P> =>
  Object.fromEntries(Object.entries(parameters).map(([name, parameter]) => [name, parameter.default])) as Values<P>

/** One thing wrong with given values. */
export interface ParameterProblem {
  name: string
  expected: string
  remedy: string
}

export function parameterProblems(
  parameters: Parameters,
  given: Readonly<Record<string, unknown>>,
  owner = 'reward',
): ParameterProblem[] {
  const names = Object.keys(parameters)
  return Object.entries(given).flatMap(([name, value]): ParameterProblem[] => {
    if (!Object.hasOwn(parameters, name)) {
      const close = suggest(name, names)
      const remedy = close ? `Did you mean "${close}"?` : `Known: ${names.join(', ') || 'none'}.`
      return [{ name, expected: `a parameter of this ${owner}`, remedy }]
    }
    const parameter = parameters[name]!
    const expected = expectation(parameter)
    return fits(parameter, value) ? [] : [{ name, expected, remedy: parameter.about }]
  })
}

/** The given values over the defaults. @throws InputError at `where.name` for an unknown name or a bad value. */
export function withDefaults<P extends Parameters>(
  parameters: P,
  given: Readonly<Record<string, unknown>>,
  where: string,
): Values<P> {
  const [problem] = parameterProblems(parameters, given)
  if (problem) throw new InputError(`${where}.${problem.name}`, problem.expected, given[problem.name], problem.remedy)
  return { ...defaultsOf(parameters), ...given } as Values<P>
}

/** In words: `number from 0 to 1`, `one of a, b`. */
export function expectation(parameter: Parameter): string {
  switch (parameter.kind) {
    case 'number': {
      const { min, max } = parameter
      const range = [min > -1e9 ? `from ${min}` : '', max < 1e9 ? `to ${max}` : '']
      return [parameter.whole ? 'whole number' : 'number', ...range].filter(Boolean).join(' ')
    }
    case 'flag':
      return 'true or false'
    case 'choice':
      return `one of ${parameter.values.map((value) => show(value)).join(', ')}`
    case 'text':
      return 'text'
    case 'texts':
      return 'list of text'
  }
}

function fits(parameter: Parameter, value: unknown): boolean {
  switch (parameter.kind) {
    case 'number':
      return (
        typeof value === 'number' &&
        value >= parameter.min &&
        value <= parameter.max &&
        (!parameter.whole || Number.isInteger(value))
      )
    case 'flag':
      return typeof value === 'boolean'
    case 'choice':
      return typeof value === 'string' && parameter.values.includes(value)
    case 'text':
      return typeof value === 'string'
    case 'texts':
      return Array.isArray(value) && value.every((item) => typeof item === 'string')
  }
}
