/** `methods`: what papers add to the stages of a step. The settings of each are checked against its own list. */
import { z } from 'zod'
import { parameterProblems, withDefaults } from '../core/parameters.ts'
import {
  ComposedStages,
  findConflict,
  type Method,
  type MethodName,
  methods,
  type NamedStages,
} from '../methods/index.ts'
import { section } from './fields.ts'

const names = Object.keys(methods) as [MethodName, ...MethodName[]]

const method = section(
  {
    name: z.enum(names).describe('A method; docs/methods.md says what each does and where it comes from.'),
    parameters: z.record(z.string(), z.unknown()).default({}).describe('What this method can be told.'),
  },
  'A method.',
)

/** Every method with what it can be told, for `rft config explain methods`. */
const catalogue = Object.values(methods as Readonly<Record<MethodName, Method>>)
  .map(({ name, about, source, parameters }) => {
    const told = Object.entries(parameters).map(
      ([key, parameter]) => `\n    ${key} = ${JSON.stringify(parameter.default)}: ${parameter.about}`,
    )
    return `${name}: ${about} (${source})${told.join('')}`
  })
  .join('\n')

export const methodsSection = z
  .array(method)
  .default([])
  .superRefine((list, context) => {
    for (const [k, { name, parameters }] of list.entries())
      for (const problem of parameterProblems(methods[name].parameters, parameters, 'method')) {
        const { expected: message, remedy } = problem
        context.addIssue({ code: 'custom', path: [k, 'parameters', problem.name], message, params: { remedy } })
      }
    const twice = list.findIndex(({ name }, k) => list.findIndex((other) => other.name === name) < k)
    if (twice !== -1) context.addIssue({ code: 'custom', path: [twice, 'name'], message: 'each method once' })
    if (context.issues.length > 0) return
    const conflict = findConflict(stagesOf(list))
    if (conflict) {
      const remedy = `${conflict.names.join(' and ')} both change the stage ${conflict.stage}. Leave one of them out`
      context.addIssue({ code: 'custom', path: [], message: 'methods that go together', params: { remedy } })
    }
  })
  .describe(`Methods of the literature that change the stages of a step.\n${catalogue}`)

type Chosen = readonly { name: MethodName; parameters: Readonly<Record<string, unknown>> }[]

/** The stages of each method. */
export function stagesOf(list: Chosen): NamedStages[] {
  return list.map(({ name, parameters }) => {
    const { create, parameters: known } = methods[name] as Method
    return { name, stages: create(withDefaults(known, parameters, `methods ${name}`)) }
  })
}

/** The stages of a run. */
export const composeStages = (list: Chosen): ComposedStages => new ComposedStages(stagesOf(list))
