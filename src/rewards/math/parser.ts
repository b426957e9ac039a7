/**
 * Answer text -> tree, by recursive descent with bounded length and depth:
 *
 *   list      relation ((',' | ';' | and | or) relation)*
 *   relation  sets (('=' | '<' | \le | \in | ..) sets)*
 *   sets      sum ((\cup | \cap | \setminus) sum)*
 *   sum       sign? product (('+' | '-' | \pm) product)*
 *   product   power (('*' | '/' | ':' | nothing) power)*
 *   power     postfix ('^' argument)?
 *
 * What is in primary.ts: numbers, names, functions, brackets, matrices.
 */
import { type Node, number, type Relation, type SetOperation } from './ast.ts'
import { cleanUp, longestAnswer } from './clean_up.ts'
import { tokenize } from './lexer.ts'
import { readArgument, readPrimary, startsPrimary } from './primary.ts'
import { integer, parseDecimal, quotient } from './rational.ts'
import { Tokens as Cursor, NotMaths, type Tokens } from './tokens.ts'

const relationSigns: Record<string, Relation> = { '=': '=', '<': '<', '>': '>' }
const relationCommands: Record<string, Relation> = {
  ...{ le: '≤', leq: '≤', leqslant: '≤', ge: '≥', geq: '≥', geqslant: '≥', lt: '<', gt: '>', ne: '≠', neq: '≠' },
  ...{ approx: '≈', simeq: '≈', in: '∈', equiv: '≡' },
}
const setCommands: Record<string, SetOperation> = { cup: '∪', cap: '∩', setminus: '∖', backslash: '∖' }
const productCommands = new Set(['cdot', 'times', 'div', 'ast'])
const separators = new Set(['and', 'or', 'lor', 'land', 'vee', 'wedge'])

const known = <T>(table: Record<string, T>, name: string): T | undefined =>
  Object.hasOwn(table, name) ? table[name] : undefined

/** The tree of an answer, `null` when it is not mathematics or too long. Never throws. */
export function parseAnswer(answer: string): Node | null {
  if (answer.length > longestAnswer) return null
  const tokens = tokenize(cleanUp(answer))
  if (!tokens || tokens.length === 0) return null
  const cursor = new Cursor(tokens)
  try {
    const node = readList(cursor)
    return cursor.done ? node : null
  } catch (error) {
    if (error instanceof NotMaths) return null
    throw error
  }
}

export function readList(tokens: Tokens): Node {
  return tokens.nested(() => {
    const items = [readRelation(tokens)]
    while (takeSeparator(tokens)) {
      if (tokens.done || tokens.sign('}')) break
      items.push(readRelation(tokens))
    }
    const flat = items.flatMap((item) => (item.kind === 'list' ? item.items : [item]))
    return flat.length === 1 ? flat[0]! : { kind: 'list', items: flat }
  })
}

/** One separator, or several of them as in `1, \text{ and } 2`. */
function takeSeparator(tokens: Tokens): boolean {
  let taken = false
  for (;;) {
    const token = tokens.peek()
    const comma = token?.kind === 'sign' && (token.text === ',' || token.text === ';')
    const word = token?.kind === 'command' && separators.has(token.text)
    if (!comma && !word) return taken
    tokens.next()
    taken = true
  }
}

function readRelation(tokens: Tokens): Node {
  const items = [readSets(tokens)]
  const relations: Relation[] = []
  for (let relation = takeRelation(tokens); relation; relation = takeRelation(tokens)) {
    relations.push(relation)
    items.push(readSets(tokens))
  }
  return relations.length === 0 ? items[0]! : { kind: 'relation', items, relations }
}

function takeRelation(tokens: Tokens): Relation | undefined {
  const token = tokens.peek()
  const table = token?.kind === 'sign' ? relationSigns : token?.kind === 'command' ? relationCommands : {}
  const relation = token && known(table, token.text)
  if (relation) tokens.next()
  return relation
}

function readSets(tokens: Tokens): Node {
  let left = readSum(tokens)
  for (;;) {
    const token = tokens.peek()
    const operation = token?.kind === 'command' ? known(setCommands, token.text) : undefined
    if (!operation) return left
    tokens.next()
    const right = readSum(tokens)
    const joins = left.kind === 'sets' && left.operation === operation && operation !== '∖'
    left = { kind: 'sets', operation, items: joins ? [...(left as { items: Node[] }).items, right] : [left, right] }
  }
}

export function readSum(tokens: Tokens): Node {
  const terms = [readTerm(tokens, takeAddition(tokens))]
  for (let sign = takeAddition(tokens); sign; sign = takeAddition(tokens)) terms.push(readTerm(tokens, sign))
  return terms.length === 1 ? terms[0]! : { kind: 'sum', terms }
}

type Addition = '+' | '-' | 'pm' | 'mp' | null

function takeAddition(tokens: Tokens): Addition {
  for (const sign of ['+', '-'] as const) if (tokens.takeSign(sign)) return sign
  for (const command of ['pm', 'mp'] as const) if (tokens.takeCommand(command)) return command
  return null
}

function readTerm(tokens: Tokens, sign: Addition): Node {
  return tokens.nested(() => {
    const again = sign === null ? null : takeAddition(tokens)
    const of = again === null ? readProduct(tokens) : readTerm(tokens, again)
    if (sign === '-') return { kind: 'negate', of }
    if (sign === 'pm' || sign === 'mp') return { kind: 'plusminus', first: sign === 'pm' ? 1 : -1, of }
    return of
  })
}

function readProduct(tokens: Tokens): Node {
  let left = readPower(tokens)
  let adjacent = left
  for (;;) {
    const operator = takeFactor(tokens)
    if (operator === null) return left
    const negative = operator !== '' && tokens.takeSign('-')
    const right = readPower(tokens)
    const factor: Node = negative ? { kind: 'negate', of: right } : right
    if (operator === '/') left = { kind: 'quotient', over: left, under: factor }
    else left = mixedNumber(left, adjacent, factor, operator) ?? multiply(left, factor)
    adjacent = factor
  }
}

/** `'*'`, `'/'`, `''` for a factor that follows without a sign, `null` for the end of the product. */
function takeFactor(tokens: Tokens): '*' | '/' | '' | null {
  const token = tokens.peek()
  if (token?.kind === 'sign' && '*/:'.includes(token.text)) {
    tokens.next()
    return token.text === '*' ? '*' : '/'
  }
  if (token?.kind === 'command' && productCommands.has(token.text)) {
    tokens.next()
    return token.text === 'div' ? '/' : '*'
  }
  return startsPrimary(tokens) ? '' : null
}

/** `1\frac{1}{2}` is one and a half; two numbers side by side are otherwise none. */
function mixedNumber(left: Node, adjacent: Node, factor: Node, operator: string): Node | null {
  if (operator !== '' || adjacent.kind !== 'number') return null
  if (factor.kind === 'number') throw new NotMaths()
  const proper =
    factor.kind === 'quotient' && factor.over.kind === 'number' && factor.under.kind === 'number' && left === adjacent
  return proper && adjacent.places === 0 ? { kind: 'sum', terms: [left, factor] } : null
}

function multiply(left: Node, right: Node): Node {
  return { kind: 'product', factors: left.kind === 'product' ? [...left.factors, right] : [left, right] }
}

export function readPower(tokens: Tokens): Node {
  return tokens.nested(() => {
    const base = readPostfix(tokens)
    while (tokens.sign('^')) {
      tokens.next()
      if (takeDegree(tokens)) continue
      if (tokens.takeCommand('prime')) continue
      return { kind: 'power', base, exponent: readExponent(tokens) }
    }
    return base
  })
}

/** `^\circ` and `^{\circ}`: angles are compared by their numbers. */
function takeDegree(tokens: Tokens): boolean {
  if (tokens.takeCommand('circ')) return true
  if (!tokens.sign('{') || !tokens.command('circ', 1) || !tokens.sign('}', 2)) return false
  for (let k = 0; k < 3; k++) tokens.next()
  return true
}

/** Outside braces a whole number, signed or not, then its own exponent: people write x^10 and 2^-3. */
function readExponent(tokens: Tokens): Node {
  if (tokens.sign('{')) return readArgument(tokens)
  if (tokens.takeSign('-')) return { kind: 'negate', of: readPower(tokens) }
  return readPower(tokens)
}

function readPostfix(tokens: Tokens): Node {
  let node = readPrimary(tokens)
  for (;;) {
    if (tokens.takeSign('!')) node = { kind: 'call', name: 'factorial', of: [node] }
    else if (tokens.takeSign('%'))
      node = node.kind === 'number' ? { ...node, percent: true } : { kind: 'quotient', over: node, under: hundred }
    else if (tokens.sign("'")) tokens.next()
    else if (tokens.takeCommand('circ')) continue
    else if (tokens.peek()?.kind === 'text' && isQuantity(node)) skipUnit(tokens)
    else return node
  }
}

const hundred = number(integer(100))

const isQuantity = (node: Node): boolean =>
  node.kind === 'number' ||
  node.kind === 'quotient' ||
  node.kind === 'power' ||
  node.kind === 'call' ||
  (node.kind === 'constant' && node.name === 'pi')

/** A unit with its power: cm^2. */
function skipUnit(tokens: Tokens): void {
  tokens.next()
  if (tokens.sign('/') && tokens.peek(1)?.kind === 'text') {
    tokens.next()
    tokens.next()
  }
  if (tokens.takeSign('^')) readArgument(tokens)
}

/** The number that digits mean. */
export function readDecimal(text: string): Node {
  const value = parseDecimal(text)
  if (!value || !quotient(value, integer(1))) throw new NotMaths()
  const point = text.indexOf('.')
  return number(value, point < 0 ? 0 : text.length - point - 1)
}
