/**
 * Whether a text gives the mathematical answer of another: numbers, units, percents, fractions, sets, intervals, tuples,
 * matrices, relations and symbolic expressions, in TeX or plain. Own and bounded: nothing is executed, every step has a
 * limit, and the work of one comparison is counted.
 *
 * | file                              | what it does                                            |
 * | --------------------------------- | ------------------------------------------------------- |
 * | extract                           | finds the answer in a text                              |
 * | clean_up, lexer, parser, primary  | answer -> tokens -> tree (ast)                          |
 * | units                             | which unit an answer ends with                          |
 * | rational, complex, functions      | exact fractions; complex numbers with error bounds      |
 * | evaluate                          | tree -> value, exact or at a point                      |
 * | compare, relations, compare_..    | whether two trees are the same answer                   |
 */
import type { Node } from './ast.ts'
import { plainText } from './clean_up.ts'
import { type CompareOptions, sameAnswer } from './compare.ts'
import { type Answer, type ExtractOptions, findAnswer, lastNumberOf } from './extract.ts'
import { parseAnswer } from './parser.ts'
import { unitOf } from './units.ts'

export type MathOptions = Partial<ExtractOptions & CompareOptions>

const defaults: ExtractOptions & CompareOptions = { latex: true, expression: true, decimals: 6, setRelation: false }

interface Parsed {
  text: string
  unit: string | null
  /** In the order in which they are tried: a bare `1,22` is a list, or a decimal number. */
  nodes: Node[]
}

/**
 * Whether `completion` gives the answer that `truth` gives. Never throws; false when either has no answer.
 *
 * @example verifyMath('$\\frac{10}{9}$', 'so it is \\boxed{1\\frac{1}{9}}') // true
 */
export function verifyMath(truth: string, completion: string, options: MathOptions = {}): boolean {
  const all = { ...defaults, ...options }
  const expected = parseText(truth, all)
  const given = expected && parseText(completion, all)
  if (!expected || !given) return false
  if (expected.text !== '' && expected.text === given.text) return true
  if (expected.unit !== null && given.unit !== null && expected.unit !== given.unit) return false
  return expected.nodes.some((a) => given.nodes.some((b) => sameAnswer(a, b, all)))
}

/** The answer of a text as it would be compared, for showing why something was not accepted. */
export function readAnswer(text: string, options: MathOptions = {}): string | null {
  return parseText(text, { ...defaults, ...options })?.text ?? null
}

function parseText(text: string, options: ExtractOptions): Parsed | null {
  const found = findAnswer(text, options)
  if (!found) return null
  const parsed = parseFound(found)
  if (parsed.nodes.length > 0 || !found.bare) return parsed
  const number = lastNumberOf(found.parts[0]!)
  return number ? { ...parsed, nodes: parseFound(number).nodes } : parsed
}

function parseFound({ parts, bare }: Answer): Parsed {
  const text = parts.map(plainText).join(',')
  const unit = parts.length === 1 ? unitOf(parts[0]!) : null
  const items = parts.map(parseAnswer)
  if (items.some((item) => item === null)) return { text, unit, nodes: [] }
  const nodes = items as Node[]
  const node: Node = nodes.length === 1 ? nodes[0]! : { kind: 'list', items: nodes }
  const decimal = bare && parts.length === 1 ? decimalComma(parts[0]!) : null
  return { text, unit, nodes: decimal ? [node, decimal] : [node] }
}

/** `1,22` outside a formula may be the number 1.22. */
function decimalComma(text: string): Node | null {
  const match = /^(-?\d{1,15}),(\d{1,2}|\d{4,8})\s*\\?%?$/.exec(text.trim())
  return match ? parseAnswer(text.replace(',', '.')) : null
}
