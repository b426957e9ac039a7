/** What relations say: the value they give to a name, the interval they describe, or their two sides. */
import { type Bracket, hasSymbols, type Node, type Relation } from './ast.ts'

export type RelationNode = Node & { kind: 'relation' }

/** `x = 1/3 \approx 0.33` says 1/3; a lone `\approx` is the equality that was meant. */
export function withoutApproximation({ items, relations }: RelationNode): RelationNode {
  const at = relations.indexOf('≈')
  if (at > 0) return { kind: 'relation', items: items.slice(0, at + 1), relations: relations.slice(0, at) }
  return { kind: 'relation', items, relations: relations.map((relation) => (relation === '≈' ? '=' : relation)) }
}

/** The value of `label = .. = value` or `label \in value`; `null` when the sides before it are no labels. */
export function assignedValue({ items, relations }: RelationNode): { label: Node; value: Node } | null {
  const value = items.at(-1)!
  if (!relations.every((relation) => relation === '=' || relation === '∈')) return null
  const numeric = !hasSymbols(value)
  const before = items.slice(0, -1)
  if (!before.every((item) => isLabel(item) || (numeric && !hasSymbols(item) && relations[0] === '='))) return null
  return { label: before.find(isLabel) ?? before[0]!, value }
}

/** Something that only names a quantity: x, f(x), (p, q), AB, |AB|, NO/BO. */
function isLabel(node: Node): boolean {
  switch (node.kind) {
    case 'symbol':
    case 'unknown':
      return true
    case 'tuple':
      return node.items.every(({ kind }) => kind === 'symbol')
    case 'product':
      return node.factors.every((factor) => factor.kind === 'symbol' && /^(?:[A-Z]|angle|triangle)/.test(factor.name))
    case 'quotient':
      return isLabel(node.over) && isLabel(node.under)
    case 'call':
      return node.name === 'abs' && node.of.every(isLabel)
    default:
      return false
  }
}

const mirrored: Record<Relation, Relation> = {
  ...{ '<': '>', '≤': '≥', '>': '<', '≥': '≤', '=': '=', '≠': '≠', '≈': '≈', '≡': '≡', '∈': '∈' },
}

/** The same statement with all of its signs turned towards `<` where they can be. */
export function normalised(relation: RelationNode): RelationNode {
  const turn = relation.relations.every((sign) => sign === '>' || sign === '≥')
  if (!turn) return relation
  const relations = relation.relations.map((sign) => mirrored[sign]).reverse()
  return { kind: 'relation', items: [...relation.items].reverse(), relations }
}

/** `a \le x < b`, `x < b` and `a < x` as an interval, with the name it is about. */
export function interval(relation: RelationNode): Node | null {
  const { items, relations } = normalised(relation)
  if (!relations.every((sign) => sign === '<' || sign === '≤')) return null
  const bracket = (sign: Relation | undefined): Bracket => (sign === '≤' ? '[' : '(')
  const [a, b, c] = items
  if (items.length === 3 && b!.kind === 'symbol' && !hasSymbols(a!) && !hasSymbols(c!))
    return { kind: 'tuple', items: [a!, c!], open: bracket(relations[0]), close: bracket(relations[1]) }
  if (items.length !== 2) return null
  if (a!.kind === 'symbol' && !hasSymbols(b!))
    return { kind: 'tuple', items: [{ kind: 'negate', of: infinity }, b!], open: '(', close: bracket(relations[0]) }
  if (b!.kind === 'symbol' && !hasSymbols(a!))
    return { kind: 'tuple', items: [a!, infinity], open: bracket(relations[0]), close: '(' }
  return null
}

const infinity: Node = { kind: 'constant', name: 'infinity' }
