/** The smallest pieces of an answer: numbers, names, functions with their arguments, brackets, matrices. */
import type { Bracket, Node } from './ast.ts'
import { readDecimal, readList, readPower, readSum } from './parser.ts'
import { NotMaths, type Tokens } from './tokens.ts'

const functions = new Set(
  (
    'sin cos tan cot sec csc arcsin arccos arctan sinh cosh tanh ln log exp lg abs floor ceil max min gcd lcm Re Im ' +
    'arg det'
  ).split(' '),
)
const inverses = new Map([
  ['sin', 'arcsin'],
  ['cos', 'arccos'],
  ['tan', 'arctan'],
])
const greek = new Set(
  (
    'alpha beta gamma delta epsilon varepsilon zeta eta theta vartheta iota kappa lambda mu nu xi rho sigma tau ' +
    'upsilon phi varphi chi psi omega Gamma Delta Theta Lambda Xi Sigma Phi Psi Omega ell angle triangle'
  ).split(' '),
)
const accents = new Set([
  'overline',
  'vec',
  'hat',
  'bar',
  'tilde',
  'overrightarrow',
  'widehat',
  'mathcal',
  'boldsymbol',
])
const series = new Set(['sum', 'prod', 'int', 'lim'])
const fractions = new Set(['frac', 'dfrac', 'tfrac', 'cfrac'])
const openings = new Set(['lfloor', 'lceil', 'langle', '{', 'lvert', 'vert', '|', 'lbrace'])
/** Commands that are never a name; every other unknown one is a symbol. */
const reserved = new Set(
  (
    'end and or lor land cup cap setminus in notin le leq ge geq lt gt ne neq approx equiv cdot times div pm mp circ ' +
    'rfloor rceil rangle rvert rbrace } \\ & mid to Rightarrow implies'
  ).split(' '),
)
/** Letters that name functions whatever their argument is, and those that do when it is one name or number. */
const functionLetters = new Set(['f', 'g', 'h', 'F', 'G'])
const otherFunctionLetters = new Set(['p', 'q', 'P', 'Q', 'W', 'R', 'u', 'v', 'T', 'S', 'H'])

/** Whether the next token can begin a factor that has no operator before it. */
export function startsPrimary(tokens: Tokens): boolean {
  const token = tokens.peek()
  if (token?.kind === 'number' || token?.kind === 'letter') return true
  if (token?.kind === 'sign') return '([{'.includes(token.text)
  if (token?.kind !== 'command') return false
  const { text } = token
  return (
    functions.has(text) ||
    greek.has(text) ||
    accents.has(text) ||
    fractions.has(text) ||
    series.has(text) ||
    openings.has(text) ||
    ['sqrt', 'pi', 'infty', 'binom', 'begin', 'mathbb', 'dots', 'emptyset'].includes(text)
  )
}

export function readPrimary(tokens: Tokens): Node {
  return tokens.nested(() => {
    const token = tokens.next()
    switch (token.kind) {
      case 'number':
        return readBased(token.text, tokens)
      case 'letter':
        return readName(token.text, tokens)
      case 'sign':
        return readBracket(token.text, tokens)
      case 'command':
        return readCommand(token.text, tokens)
      default:
        throw new NotMaths()
    }
  })
}

/** A braced group, or a single token as TeX takes it. */
export function readArgument(tokens: Tokens): Node {
  if (tokens.takeSign('{')) return closeGroup(tokens, readList(tokens), '}')
  if (tokens.peek()?.kind === 'number') return readDecimal(tokens.takeDigit())
  return readPrimary(tokens)
}

function closeGroup(tokens: Tokens, node: Node, close: string): Node {
  tokens.expectSign(close)
  return node
}

/** Digits, or digits with a base below them: `201_3`. */
function readBased(text: string, tokens: Tokens): Node {
  if (!tokens.takeSign('_')) return readDecimal(text)
  const base = readArgument(tokens)
  const value = base.kind === 'number' && base.value.denominator === 1n ? Number(base.value.numerator) : Number.NaN
  if (!(value >= 2 && value <= 36) || text.includes('.')) throw new NotMaths()
  return { kind: 'based', digits: text.replace(/^0+(?=.)/, ''), base: value }
}

function readName(letter: string, tokens: Tokens): Node {
  const name = letter + readSubscript(tokens)
  if (tokens.sign('(') && (functionLetters.has(letter) || otherFunctionLetters.has(letter))) {
    const mark = tokens.mark
    tokens.next()
    const argument = closeGroup(tokens, readList(tokens), ')')
    const of = argument.kind === 'list' ? argument.items : [argument]
    const plain = of.every(({ kind }) => kind === 'symbol' || kind === 'number')
    if (functionLetters.has(letter) || plain) return { kind: 'unknown', name, of }
    tokens.back(mark)
  }
  if (name === 'e') return { kind: 'constant', name: 'e' }
  if (name === 'i') return { kind: 'constant', name: 'i' }
  return { kind: 'symbol', name }
}

/** `_1`, `_{37}`, `_{n-k}`: part of the name, as written. */
function readSubscript(tokens: Tokens): string {
  if (!tokens.takeSign('_')) return ''
  if (!tokens.takeSign('{')) return `_${tokens.next().text}`
  let name = '_'
  for (let depth = 1; depth > 0; ) {
    const { kind, text } = tokens.next()
    if (kind === 'sign' && text === '{') depth++
    else if (kind === 'sign' && text === '}') depth--
    if (depth > 0) name += text
  }
  return name
}

/** `(a)`, `(a, b)`, `[a, b)`, `{a}` and `|a|`. */
function readBracket(open: string, tokens: Tokens): Node {
  if (open === '{') return closeGroup(tokens, readList(tokens), '}')
  if (open === '|') return { kind: 'call', name: 'abs', of: [closeGroup(tokens, readSum(tokens), '|')] }
  if (open !== '(' && open !== '[') throw new NotMaths()
  return closeTuple(readList(tokens), open, tokens)
}

function closeTuple(inside: Node, open: Bracket, tokens: Tokens): Node {
  const close = tokens.takeSign(')') ? '(' : tokens.takeSign(']') ? '[' : null
  if (close === null) throw new NotMaths()
  if (inside.kind !== 'list') return inside
  return { kind: 'tuple', items: inside.items, open, close }
}

function readCommand(name: string, tokens: Tokens): Node {
  if (fractions.has(name)) return { kind: 'quotient', over: readArgument(tokens), under: readArgument(tokens) }
  if (name === 'sqrt') return readRoot(tokens)
  if (name === 'binom') return { kind: 'call', name, of: [readArgument(tokens), readArgument(tokens)] }
  if (name === 'pi') return { kind: 'constant', name: 'pi' }
  if (name === 'infty') return { kind: 'constant', name: 'infinity' }
  if (name === 'emptyset' || name === 'varnothing') return { kind: 'set', items: [] }
  if (functions.has(name)) return readFunction(name, tokens)
  if (series.has(name)) return readSeries(name, tokens)
  if (name === 'begin') return readMatrix(tokens)
  if (name === 'mathbb') return readLetterSet(tokens)
  if (openings.has(name)) return readOpening(name, tokens)
  if (accents.has(name)) return { kind: 'symbol', name: `${name} ${flatText(readArgument(tokens))}` }
  if (greek.has(name) || !reserved.has(name)) return { kind: 'symbol', name: name + readSubscript(tokens) }
  throw new NotMaths()
}

function readRoot(tokens: Tokens): Node {
  if (!tokens.takeSign('[')) return { kind: 'call', name: 'sqrt', of: [readArgument(tokens)] }
  const degree = closeGroup(tokens, readSum(tokens), ']')
  return { kind: 'call', name: 'root', of: [readArgument(tokens), degree] }
}

/** `\sin x`, `\sin^2 x`, `\sin^{-1} x`, `\log_2 x`, `\max(1, 2)`. */
function readFunction(name: string, tokens: Tokens): Node {
  const base = tokens.takeSign('_') ? readArgument(tokens) : null
  const exponent = tokens.takeSign('^') ? readArgument(tokens) : null
  const argument = readFunctionArgument(tokens)
  const of = argument.kind === 'list' ? argument.items : [argument]
  const inverse = exponent?.kind === 'negate' ? inverses.get(name) : undefined
  if (inverse) return { kind: 'call', name: inverse, of }
  const call: Node = { kind: 'call', name, of: base ? [...of, base] : of }
  return exponent ? { kind: 'power', base: call, exponent } : call
}

/** A bracket, or the factors up to the next operator or function. */
function readFunctionArgument(tokens: Tokens): Node {
  if (tokens.takeSign('(')) return closeGroup(tokens, readList(tokens), ')')
  const factors = [readPower(tokens)]
  while (startsPrimary(tokens) && !isFunction(tokens)) factors.push(readPower(tokens))
  return factors.length === 1 ? factors[0]! : { kind: 'product', factors }
}

function isFunction(tokens: Tokens): boolean {
  const token = tokens.peek()
  return token?.kind === 'command' && functions.has(token.text)
}

/** `\sum_{k=0}^{n} body`: the bounds in either order, the body one product. */
function readSeries(name: string, tokens: Tokens): Node {
  let variable = ''
  let lower: Node | null = null
  let upper: Node | null = null
  for (let k = 0; k < 2; k++) {
    if (tokens.takeSign('^')) upper = readArgument(tokens)
    else if (tokens.takeSign('_')) {
      lower = readArgument(tokens)
      const [bound, start] = lower.kind === 'relation' ? lower.items : []
      if (start && (bound?.kind === 'symbol' || bound?.kind === 'constant')) {
        variable = bound.name
        lower = start
      }
    }
  }
  return { kind: 'series', name, variable, lower, upper, body: readFunctionArgument(tokens) }
}

/** `\langle a, b \rangle`, `\{a, b\}`, `\lfloor a \rfloor`, `\lvert a \rvert`. */
function readOpening(name: string, tokens: Tokens): Node {
  if (name === '{' || name === 'lbrace') {
    if (tokens.takeCommand('}')) return { kind: 'set', items: [] }
    const inside = readList(tokens)
    if (!tokens.takeCommand('}') && !tokens.takeCommand('rbrace')) throw new NotMaths()
    return { kind: 'set', items: inside.kind === 'list' ? inside.items : [inside] }
  }
  const inside = readList(tokens)
  const closing = { lfloor: 'rfloor', lceil: 'rceil', langle: 'rangle', lvert: 'rvert', vert: 'vert', '|': '|' }[name]!
  if (!tokens.takeCommand(closing)) throw new NotMaths()
  if (name === 'lfloor') return { kind: 'call', name: 'floor', of: [inside] }
  if (name === 'lceil') return { kind: 'call', name: 'ceil', of: [inside] }
  if (name !== 'langle') return { kind: 'call', name: 'abs', of: [inside] }
  return inside.kind === 'list' ? { kind: 'tuple', items: inside.items, open: '(', close: '(' } : inside
}

const matrices = new Set(['pmatrix', 'bmatrix', 'matrix', 'vmatrix', 'Bmatrix', 'smallmatrix', 'array'])

/** Cells are between `&`, rows between `\\\\`. */
function readMatrix(tokens: Tokens): Node {
  const name = readEnvironment(tokens)
  if (!matrices.has(name)) throw new NotMaths()
  if (name === 'array') readArgument(tokens)
  const rows: Node[][] = [[]]
  while (!tokens.takeCommand('end')) {
    if (tokens.takeCommand('\\')) rows.push([])
    else {
      rows.at(-1)!.push(readSum(tokens))
      tokens.takeSign('&')
    }
  }
  if (readEnvironment(tokens) !== name) throw new NotMaths()
  if (rows.at(-1)!.length === 0) rows.pop()
  if (rows.length === 0 || rows.some((row) => row.length !== rows[0]!.length)) throw new NotMaths()
  return { kind: 'matrix', rows }
}

function readEnvironment(tokens: Tokens): string {
  tokens.expectSign('{')
  let name = ''
  while (!tokens.takeSign('}')) name += tokens.next().text
  return name
}

function readLetterSet(tokens: Tokens): Node {
  const name = flatText(readArgument(tokens))
  if (name !== 'R') return { kind: 'symbol', name: `mathbb ${name}` }
  const infinity: Node = { kind: 'constant', name: 'infinity' }
  return { kind: 'tuple', items: [{ kind: 'negate', of: infinity }, infinity], open: '(', close: '(' }
}

/** The letters of an accent's argument: AB of `\overline{AB}`. */
function flatText(node: Node): string {
  if (node.kind === 'symbol' || node.kind === 'constant') return node.name
  if (node.kind === 'product') return node.factors.map(flatText).join('')
  throw new NotMaths()
}
