/**
 * `json_schema`: whether the answer is JSON of an asked shape. The schema is JSON Schema's everyday part: type, enum,
 * const, properties, required, additionalProperties (true or false), items, minItems, maxItems, minimum, maximum,
 * minLength, maxLength. A schema with other keywords is refused: a rule that is not checked would be a hole.
 */
import { InputError } from '../core/errors.ts'
import { text } from '../core/parameters.ts'
import { asText, columnOf } from './columns.ts'
import { defineReward } from './define.ts'
import { extractAnswer } from './extract.ts'
import { type Literal, literalsIn, parseLiteral } from './literal.ts'
import { checkSchema, schemaProblem } from './schema.ts'

export const jsonSchema = defineReward({
  name: 'json_schema',
  description: 'The share of the schema rules that the JSON in the answer keeps; 0 without JSON.',
  parameters: { column: text('schema', 'Column with the JSON schema, as a record or its text.') },
  score(input, { column }) {
    const schema = asLiteral(columnOf(input, column))
    if (!(schema instanceof Map)) return null
    const problem = schemaProblem(schema)
    if (problem)
      throw new InputError(
        `${input.id} ${column}`,
        'a schema of the supported keywords',
        problem,
        'See docs/rewards.md.',
      )
    const answer = extractAnswer(input.completion)
    const value = parseLiteral(fenced(answer)) ?? literalsIn(answer)[0]
    if (value === undefined) return 0
    const { kept, rules } = checkSchema(value, schema)
    return rules === 0 ? 1 : kept / rules
  },
})

function asLiteral(value: unknown): Literal | undefined {
  if (value === undefined || value === null) return undefined
  return parseLiteral(asText(value))
}

/** The inside of a ```json block, when the answer is one. */
function fenced(answer: string): string {
  const begin = answer.indexOf('```')
  const end = answer.lastIndexOf('```')
  if (begin < 0 || end <= begin) return answer
  return answer.slice(answer.indexOf('\n', begin) + 1 || begin + 3, end)
}
