/** What the parser makes of an answer. Everything compares by value, so `x + x` and `2x` may be different trees. */
import { type Rational, toNumber } from './rational.ts'

export type Relation = '=' | '≈' | '≠' | '<' | '≤' | '>' | '≥' | '∈' | '≡'
export type SetOperation = '∪' | '∩' | '∖'
export type Bracket = '(' | '['

export type Node =
  /** `near`: the nearest double; `places`: digits after the point as it was written; `percent`: before a percent sign. */
  | { kind: 'number'; value: Rational; near: number; places: number; percent: boolean }
  /** A number written in another base: digits as written. */
  | { kind: 'based'; digits: string; base: number }
  | { kind: 'symbol'; name: string }
  | { kind: 'constant'; name: 'pi' | 'e' | 'i' | 'infinity' }
  | { kind: 'sum'; terms: Node[] }
  | { kind: 'product'; factors: Node[] }
  | { kind: 'quotient'; over: Node; under: Node }
  | { kind: 'power'; base: Node; exponent: Node }
  | { kind: 'negate'; of: Node }
  /** Both signs; `first` is the one of the first reading. */
  | { kind: 'plusminus'; first: 1 | -1; of: Node }
  | { kind: 'call'; name: string; of: Node[] }
  /** A function without a known value, such as f in f(2). */
  | { kind: 'unknown'; name: string; of: Node[] }
  /** Sum, product or integral over `variable` (empty when it has none). */
  | { kind: 'series'; name: string; variable: string; lower: Node | null; upper: Node | null; body: Node }
  /** items[k] relations[k] items[k + 1] */
  | { kind: 'relation'; items: Node[]; relations: Relation[] }
  /** Without brackets, in `{}` of TeX, or joined by "and" / "or": order does not matter. */
  | { kind: 'list'; items: Node[] }
  | { kind: 'set'; items: Node[] }
  /** A tuple, a point, or an interval: two items and the two brackets cannot say which. */
  | { kind: 'tuple'; items: Node[]; open: Bracket; close: Bracket }
  | { kind: 'sets'; operation: SetOperation; items: Node[] }
  | { kind: 'matrix'; rows: Node[][] }

export const number = (value: Rational, places = 0): Node => ({
  ...{ kind: 'number', value, near: toNumber(value), places, percent: false },
})

/** The nodes right below. */
export function children(node: Node): readonly Node[] {
  switch (node.kind) {
    case 'sum':
      return node.terms
    case 'product':
      return node.factors
    case 'quotient':
      return [node.over, node.under]
    case 'power':
      return [node.base, node.exponent]
    case 'negate':
    case 'plusminus':
      return [node.of]
    case 'call':
    case 'unknown':
      return node.of
    case 'series':
      return [node.lower, node.upper, node.body].filter((child) => child !== null)
    case 'relation':
    case 'list':
    case 'set':
    case 'tuple':
    case 'sets':
      return node.items
    case 'matrix':
      return node.rows.flat()
    default:
      return []
  }
}

/** Whether `test` holds for the node or anything below it. Trees are shallow: the parser bounds their depth. */
export function some(node: Node, test: (node: Node) => boolean): boolean {
  return test(node) || children(node).some((child) => some(child, test))
}

export const hasSymbols = (node: Node): boolean =>
  some(node, ({ kind }) => kind === 'symbol' || kind === 'unknown' || kind === 'series')
