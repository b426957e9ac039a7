/** Whether two relations state the same: side by side, or as `f = 0`, `f < 0` with f up to a factor. */
import { hasSymbols, type Node } from './ast.ts'
import { type Comparison, same } from './compare.ts'
import { type Complex, close, isDefined, isReal, over, size, times } from './complex.ts'
import { valueAt } from './evaluate.ts'
import { normalised, type RelationNode } from './relations.ts'

export const isRelation = (node: Node): node is RelationNode => node.kind === 'relation'

export function compareRelations(truth: RelationNode, given: RelationNode, state: Comparison): boolean {
  const [a, b] = [normalised(truth), normalised(given)]
  if (a.relations.length !== b.relations.length) return false
  if (!a.relations.every((relation, k) => relation === b.relations[k])) return false
  if (a.items.every((item, k) => same(item, b.items[k]!, state))) return true
  const relation = a.relations[0]!
  if (a.items.length !== 2 || !['=', '≠', '<', '≤'].includes(relation)) return false
  if (!hasSymbols(a) || !hasSymbols(b)) return false
  return proportional(difference(a), difference(b), relation === '=' || relation === '≠', state)
}

/** left - right, whose sign or zero the relation is about. */
function difference({ items }: RelationNode): Node {
  return { kind: 'sum', terms: [items[0]!, { kind: 'negate', of: items[1]! }] }
}

const points = 8
const enoughPoints = 4

/** Whether b = c a with one constant c for all points; c > 0 unless either sign will do. */
function proportional(a: Node, b: Node, anySign: boolean, state: Comparison): boolean {
  let factor: Complex | null = null
  let agreed = 0
  for (let point = 0; point < points; point++) {
    const [x, y] = [valueAt(a, point, state.budget), valueAt(b, point, state.budget)]
    if (state.budget.left <= 0 || isDefined(x) !== isDefined(y)) return false
    if (!isDefined(x)) continue
    factor ??= over(y, x)
    if (!isDefined(factor) || size(factor) <= 64 * factor.error) return false
    if (!anySign && !(isReal(factor) && factor.re > 0)) return false
    if (!close(times(factor, x), y)) return false
    agreed++
  }
  return agreed >= enoughPoints
}
