/** The value of a tree: exactly where it is a fraction, else as a complex number at given values of its symbols. */
import { type Node, number } from './ast.ts'
import { add, type Complex, imaginaryUnit, minus, over, raise, real, times, undefinedValue } from './complex.ts'
import { apply, applyUnknown, hash } from './functions.ts'
import { integer, negate, power, product, quotient, type Rational, sum } from './rational.ts'

/** Work left for one comparison; at 0 nothing has a value any more and the answers count as different. */
export interface Budget {
  left: number
}

/** What evaluating a node costs beside the nodes below it, in units of about a tenth of a microsecond to one. */
const costs = new Map<Node['kind'], number>([
  ['call', 4],
  ['power', 4],
  ['unknown', 12],
  ['series', 16],
])

export const newBudget = (): Budget => ({ left: 20_000 })

const largestExactFactorial = 200

/** The exact value of a number, fraction or whole power; `null` for everything else or when it gets too long. */
export function exactValue(node: Node, budget: Budget): Rational | null {
  if (budget.left-- <= 0) return null
  const value = (of: Node) => exactValue(of, budget)
  switch (node.kind) {
    case 'number':
      return node.percent ? quotient(node.value, integer(100)) : node.value
    case 'negate': {
      const of = value(node.of)
      return of && negate(of)
    }
    case 'sum':
      return fold(node.terms, value, sum)
    case 'product':
      return fold(node.factors, value, product)
    case 'quotient':
      return quotient(value(node.over), value(node.under))
    case 'power': {
      const [base, exponent] = [value(node.base), value(node.exponent)]
      return base && exponent && power(base, exponent)
    }
    case 'call':
      return node.name === 'factorial' ? exactFactorial(value(node.of[0]!)) : null
    default:
      return null
  }
}

function fold(
  nodes: readonly Node[],
  value: (node: Node) => Rational | null,
  join: (a: Rational, b: Rational) => Rational | null,
): Rational | null {
  let total: Rational | null = null
  for (const [k, node] of nodes.entries()) {
    const next = value(node)
    total = k === 0 ? next : total && next && join(total, next)
    if (!total) return null
  }
  return total
}

function exactFactorial(of: Rational | null): Rational | null {
  if (!of || of.numerator % of.denominator !== 0n) return null
  const n = of.numerator / of.denominator
  if (n < 0n || n > BigInt(largestExactFactorial)) return null
  let value = 1n
  for (let k = 2n; k <= n; k++) value *= k
  return integer(value)
}

/** Which point an expression is evaluated at: every symbol has a value that depends on its name and this number. */
export type Point = number

/** Away from 0 and 1 and of both signs. */
function symbolValue(name: string, point: Point): Complex {
  const x = hash(`${name}@${point}`)
  const sign = point % 2 === 1 && hash(`${point}?${name}`) < 0.5 ? -1 : 1
  return real(sign * (0.3 + 1.7 * x))
}

/** The value at a point; undefined where it has none, and for sets, relations and matrices. */
export function valueAt(node: Node, point: Point, budget: Budget): Complex {
  budget.left -= costs.get(node.kind) ?? 1
  if (budget.left <= 0) return undefinedValue
  const value = (of: Node) => valueAt(of, point, budget)
  switch (node.kind) {
    case 'number':
      return real(node.percent ? node.near / 100 : node.near)
    case 'symbol':
      return symbolValue(node.name, point)
    case 'constant':
      return constants[node.name]
    case 'negate':
      return minus(value(node.of))
    case 'sum':
      return node.terms.map(value).reduce(add)
    case 'product':
      return node.factors.map(value).reduce(times)
    case 'quotient':
      return over(value(node.over), value(node.under))
    case 'power':
      return raise(value(node.base), value(node.exponent))
    case 'call':
      return apply(node.name, node.of.map(value))
    case 'unknown':
      return applyUnknown(node.name, node.of.map(value))
    case 'series':
      return seriesValue(node, value, budget)
    default:
      return undefinedValue
  }
}

const constants: Record<'pi' | 'e' | 'i' | 'infinity', Complex> = {
  pi: real(Math.PI),
  e: real(Math.E),
  i: imaginaryUnit,
  infinity: undefinedValue,
}

const mostTerms = 64

/** Finite sums and products of few terms are added up; all else is an unknown function of bounds and body. */
function seriesValue(node: Node & { kind: 'series' }, value: (node: Node) => Complex, budget: Budget): Complex {
  const { name, variable, lower, upper, body } = node
  const first = lower && exactValue(lower, budget)
  const last = upper && exactValue(upper, budget)
  const whole = first && last && first.denominator === 1n && last.denominator === 1n
  if (whole && variable !== '' && (name === 'sum' || name === 'prod')) {
    const terms = Number(last.numerator - first.numerator) + 1
    if (terms >= 1 && terms <= mostTerms) {
      const values = Array.from({ length: terms }, (_, k) =>
        value(substitute(body, variable, integer(first.numerator + BigInt(k)), budget)),
      )
      return values.reduce(name === 'sum' ? add : times)
    }
  }
  const bounds = [lower, upper].filter((bound) => bound !== null)
  return applyUnknown(`${name} ${variable} ${bounds.length}`, [...bounds, body].map(value))
}

/** The body with a number for its variable; names with subscripts stay as they are. */
function substitute(node: Node, variable: string, by: Rational, budget: Budget): Node {
  if (budget.left-- <= 0) return node
  const inside = (of: Node) => substitute(of, variable, by, budget)
  switch (node.kind) {
    case 'symbol':
    case 'constant':
      return node.name === variable ? number(by) : node
    case 'negate':
      return { ...node, of: inside(node.of) }
    case 'sum':
      return { ...node, terms: node.terms.map(inside) }
    case 'product':
      return { ...node, factors: node.factors.map(inside) }
    case 'quotient':
      return { ...node, over: inside(node.over), under: inside(node.under) }
    case 'power':
      return { ...node, base: inside(node.base), exponent: inside(node.exponent) }
    case 'call':
    case 'unknown':
      return { ...node, of: node.of.map(inside) }
    default:
      return node
  }
}
