/**
 * Whether two answers are the same: fractions exactly, everything else by its values at seeded points, sets without
 * order, tuples in order, relations by what they state. The first argument is always the ground truth.
 */
import { hasSymbols, type Node, some } from './ast.ts'
import { compareRelations, isRelation } from './compare_relations.ts'
import { close, isDefined, isReal } from './complex.ts'
import { type Budget, exactValue, newBudget, valueAt } from './evaluate.ts'
import { compareRational, integer, power, type Rational, sameRational, sum, terminates, toNumber } from './rational.ts'
import { assignedValue, interval, withoutApproximation } from './relations.ts'

export interface CompareOptions {
  /** A decimal with at least this many places is right when it is the correct rounding of a value it cannot write. */
  decimals: number
  /** Accept a relation, -2 <= x <= 7, where the truth is the set [-2, 7]. */
  setRelation: boolean
}

/** The state of one comparison. */
export interface Comparison extends CompareOptions {
  budget: Budget
}

const mostItems = 50

/** Never throws; answers that need more than the work budget count as different. */
export function sameAnswer(truth: Node, given: Node, options: CompareOptions): boolean {
  return same(truth, given, { ...options, budget: newBudget() })
}

export function same(truth: Node, given: Node, state: Comparison): boolean {
  if (state.budget.left <= 0) return false
  const [a, b] = [readings(truth), readings(given)]
  if (isRelation(a) || isRelation(b)) return sameStatement(a, b, state)
  if (a.kind === 'matrix' || b.kind === 'matrix')
    return a.kind === 'matrix' && b.kind === 'matrix' && sameMatrix(a.rows, b.rows, state)
  if (isCollection(a) || isCollection(b)) return sameCollection(a, b, state)
  if (a.kind === 'based' || b.kind === 'based')
    return a.kind === 'based' && b.kind === 'based' && a.base === b.base && a.digits === b.digits
  return sameValue(a, b, state)
}

/** An expression with a plus-minus sign means both of its values. */
function readings(node: Node): Node {
  if (!some(node, ({ kind }) => kind === 'plusminus')) return node
  if (node.kind === 'list' || node.kind === 'set') {
    const items = node.items.map(readings).flatMap((item) => (item.kind === 'list' ? item.items : [item]))
    return { ...node, items }
  }
  return { kind: 'list', items: [choose(node, 1), choose(node, -1)] }
}

function choose(node: Node, reading: 1 | -1): Node {
  const inside = (of: Node) => choose(of, reading)
  switch (node.kind) {
    case 'plusminus':
      return node.first === reading ? inside(node.of) : { kind: 'negate', of: inside(node.of) }
    case 'sum':
      return { ...node, terms: node.terms.map(inside) }
    case 'product':
      return { ...node, factors: node.factors.map(inside) }
    case 'quotient':
      return { ...node, over: inside(node.over), under: inside(node.under) }
    case 'power':
      return { ...node, base: inside(node.base), exponent: inside(node.exponent) }
    case 'negate':
      return { ...node, of: inside(node.of) }
    case 'call':
    case 'unknown':
      return { ...node, of: node.of.map(inside) }
    case 'tuple':
    case 'relation':
      return { ...node, items: node.items.map(inside) }
    default:
      return node
  }
}

/** At least one side is a relation: compare statements, or the value that one of them gives. */
function sameStatement(truth: Node, given: Node, state: Comparison): boolean {
  const a = isRelation(truth) ? withoutApproximation(truth) : truth
  const b = isRelation(given) ? withoutApproximation(given) : given
  const left = isRelation(a) ? assignedValue(a) : null
  const right = isRelation(b) ? assignedValue(b) : null
  if (isRelation(a) && isRelation(b)) {
    if (left && right && sameLabel(left.label, right.label) && same(left.value, right.value, state)) return true
    if (left && a.relations[0] === '∈') return state.setRelation && sameInterval(left.value, interval(b), state)
    if (right && b.relations[0] === '∈') return sameInterval(interval(a), right.value, state)
    return compareRelations(a, b, state)
  }
  if (isRelation(a)) return left ? same(left.value, b, state) : sameInterval(interval(a), b, state)
  if (!isRelation(b)) return false
  if (right) return same(a, right.value, state)
  return state.setRelation && sameInterval(a, interval(b), state)
}

function sameInterval(a: Node | null, b: Node | null, state: Comparison): boolean {
  return a !== null && b !== null && same(a, b, state)
}

function sameLabel(a: Node, b: Node): boolean {
  return a.kind !== 'symbol' || b.kind !== 'symbol' || a.name === b.name
}

type Collection = Node & { kind: 'list' | 'set' | 'tuple' | 'sets' }

function isCollection(node: Node): node is Collection {
  return node.kind === 'list' || node.kind === 'set' || node.kind === 'tuple' || node.kind === 'sets'
}

function sameCollection(a: Node, b: Node, state: Comparison): boolean {
  if (!isCollection(a)) return (b as Collection).kind === 'set' && sameOnly(a, b as Collection, state)
  if (!isCollection(b)) return a.kind === 'set' && a.items.length === 1 && same(a.items[0]!, b, state)
  if (Math.max(a.items.length, b.items.length) > mostItems) return false
  if (a.kind !== 'tuple' && b.kind !== 'tuple' && (isSet(a) || isSet(b))) return sameMembers(a, b, state)
  if (a.items.length !== b.items.length) return false
  if (a.kind === 'sets' || b.kind === 'sets') {
    if (a.kind !== 'sets' || b.kind !== 'sets' || a.operation !== b.operation) return false
    return a.operation === '∖' ? inOrder(a, b, state) : anyOrder(a, b, state)
  }
  if (a.kind === 'tuple' && b.kind === 'tuple') return sameBrackets(a, b) && inOrder(a, b, state)
  if (a.kind === 'tuple' || b.kind === 'tuple') return a.kind !== 'set' && b.kind !== 'set' && inOrder(a, b, state)
  return anyOrder(a, b, state)
}

/** Sets, and lists of points: naming a member twice changes nothing. */
function isSet(node: Collection): boolean {
  return node.kind === 'set' || (node.kind === 'list' && node.items.every(({ kind }) => kind === 'tuple'))
}

function sameMembers(a: Collection, b: Collection, state: Comparison): boolean {
  return (
    a.kind !== 'sets' &&
    b.kind !== 'sets' &&
    a.items.every((item) => b.items.some((other) => same(item, other, state))) &&
    b.items.every((other) => a.items.some((item) => same(item, other, state)))
  )
}

function sameOnly(truth: Node, { items }: Collection, state: Comparison): boolean {
  return items.length === 1 && same(truth, items[0]!, state)
}

/** Of two items the brackets matter, since they may be an interval. */
function sameBrackets(a: Node & { kind: 'tuple' }, b: Node & { kind: 'tuple' }): boolean {
  return a.items.length !== 2 || (a.open === b.open && a.close === b.close)
}

function inOrder(a: Collection, b: Collection, state: Comparison): boolean {
  return a.items.every((item, k) => same(item, b.items[k]!, state))
}

function anyOrder(a: Collection, b: Collection, state: Comparison): boolean {
  const rest = [...b.items]
  return a.items.every((item) => {
    const at = rest.findIndex((other) => same(item, other, state))
    if (at >= 0) rest.splice(at, 1)
    return at >= 0
  })
}

function sameMatrix(a: Node[][], b: Node[][], state: Comparison): boolean {
  return (
    a.length === b.length &&
    a.every((row, r) => row.length === b[r]!.length && row.every((cell, c) => same(cell, b[r]![c]!, state)))
  )
}

/** A percentage in the answer or the truth may also be meant as the bare number before its sign. */
function sameValue(truth: Node, given: Node, state: Comparison): boolean {
  const [a, b] = [infinitySign(truth), infinitySign(given)]
  if (a !== 0 || b !== 0) return a === b
  return withoutPercent(truth).some((t) => withoutPercent(given).some((g) => sameExpression(t, g, state)))
}

function withoutPercent(node: Node): Node[] {
  if (node.kind === 'number' && node.percent) return [node, { ...node, percent: false }]
  if (node.kind === 'negate') return withoutPercent(node.of).map((of) => ({ kind: 'negate', of }))
  return [node]
}

function infinitySign(node: Node): number {
  if (node.kind === 'constant' && node.name === 'infinity') return 1
  return node.kind === 'negate' ? -infinitySign(node.of) || 0 : 0
}

function sameExpression(truth: Node, given: Node, state: Comparison): boolean {
  const [a, b] = [exactValue(truth, state.budget), exactValue(given, state.budget)]
  if (a && b) {
    if (sameRational(a, b)) return true
    return isRounding(given, b, a, state) || isRounding(truth, a, b, state)
  }
  if (!hasSymbols(truth) && !hasSymbols(given)) {
    if (a) return isRoundingOfReal(truth, a, given, state) || sameAtPoints(truth, given, state)
    if (b) return isRoundingOfReal(given, b, truth, state) || sameAtPoints(truth, given, state)
  }
  return sameAtPoints(truth, given, state)
}

/** Digits after the point when the node is a decimal as written, else 0. */
function placesOf(node: Node): number {
  if (node.kind === 'negate') return placesOf(node.of)
  return node.kind === 'number' ? node.places : 0
}

/** Whether `decimal` is `exact`, which has no finite expansion, rounded to the places it is written with. */
function isRounding(node: Node, decimal: Rational, exact: Rational, state: Comparison): boolean {
  const places = placesOf(node)
  if (places < Math.max(1, state.decimals) || terminates(exact)) return false
  const half = power(integer(10), integer(-places))
  const away = half && sum(exact, { numerator: -decimal.numerator, denominator: decimal.denominator })
  if (!away) return false
  const size = { numerator: away.numerator < 0n ? -away.numerator : away.numerator, denominator: away.denominator }
  return compareRational({ numerator: size.numerator * 2n, denominator: size.denominator }, half) <= 0
}

function isRoundingOfReal(node: Node, decimal: Rational, other: Node, state: Comparison): boolean {
  const places = placesOf(node)
  if (places < Math.max(1, state.decimals) || places > 14) return false
  const value = valueAt(other, 0, state.budget)
  return isDefined(value) && isReal(value) && Math.abs(value.re - toNumber(decimal)) <= 0.5 * 10 ** -places
}

const points = 8
const enoughPoints = 3

/**
 * Equal at every point where both are real (ln(ab) = ln a + ln b where it is); when they never both are, at every
 * point. A point where only one of them has a value tells them apart.
 */
export function sameAtPoints(a: Node, b: Node, state: Comparison): boolean {
  const constant = !hasSymbols(a) && !hasSymbols(b)
  const needed = constant ? 1 : enoughPoints
  let realPoints = 0
  let complexPoints = 0
  let complexSame = true
  for (let point = 0; point < (constant ? 1 : points); point++) {
    const [x, y] = [valueAt(a, point, state.budget), valueAt(b, point, state.budget)]
    if (state.budget.left <= 0 || isDefined(x) !== isDefined(y)) return false
    if (!isDefined(x)) continue
    if (isReal(x) && isReal(y)) {
      if (!close(x, y)) return false
      realPoints++
    } else if (!isReal(x) && !isReal(y)) {
      complexPoints++
      complexSame &&= close(x, y)
    }
  }
  return realPoints >= needed || (complexPoints >= needed && complexSame)
}
