/**
 * Answer text -> tokens. A token is a number, a name of one letter (with its subscript joined by the parser), a
 * command, a word, or one sign. Reading is by position, one pass.
 */

export type Token =
  | { kind: 'number'; text: string }
  | { kind: 'letter'; text: string }
  /** A TeX command without its backslash, or a word that means one (`sqrt`, `pi`, `and`). */
  | { kind: 'command'; text: string }
  /** The inside of `\text{..}`, or a word outside TeX. */
  | { kind: 'text'; text: string }
  | { kind: 'sign'; text: string }

export const mostTokens = 400

/** Words that mean something outside TeX too. */
const words = new Set(
  (
    'sin cos tan cot sec csc arcsin arccos arctan sinh cosh tanh ln log exp sqrt abs pi and or infty min max gcd lcm ' +
    'alpha beta gamma theta lambda'
  ).split(' '),
)
const spelled = new Map([
  ['infinity', 'infty'],
  ['inf', 'infty'],
  ['percent', '%'],
  ['percentage', '%'],
  ['pct', '%'],
  ['degrees', 'circ'],
  ['degree', 'circ'],
])
/** Units and the like: after a number they are dropped. */
const units = new Set(
  (
    'cm mm km dm kg mg ml mph km/h ft yd hr hrs min mins sec secs meter meters metre metres centimeters kilometers ' +
    'feet foot inch inches mile miles yard yards hour hours minute minutes second seconds day days week weeks month ' +
    'months year years dollar dollars cent cents unit units square cubic sq people points gram grams kilograms liters ' +
    'pounds euros times ways per'
  ).split(' '),
)
const textCommands = new Set([
  'text',
  'textbf',
  'textit',
  'mathrm',
  'mathbf',
  'mathit',
  'operatorname',
  'mbox',
  'textrm',
])
const dropped = new Set(
  (
    'left right big Big bigg Bigg bigl bigr Bigl Bigr biggl biggr displaystyle textstyle limits nolimits quad qquad ' +
    'boxed fbox hspace vspace'
  ).split(' '),
)
const spaces = ' \t\r\n~$'

/** `null` for a sign that answers do not have, or more than `mostTokens`. */
export function tokenize(text: string): Token[] | null {
  const tokens: Token[] = []
  let at = 0
  while (at < text.length) {
    if (tokens.length >= mostTokens) return null
    const character = text[at]!
    if (spaces.includes(character)) at++
    else if (isDigit(character) || (character === '.' && isDigit(text[at + 1]))) at = readNumber(text, at, tokens)
    else if (character === '\\') at = readCommand(text, at, tokens)
    else if (isLetter(character)) at = readWord(text, at, tokens)
    else if ("+-*/^_(){}[]|,;:!%=<>&'".includes(character)) at = readSign(text, at, tokens)
    else if (/\p{L}/u.test(character)) at = push(tokens, { kind: 'letter', text: character }, at + 1)
    else return null
  }
  return tokens
}

const isDigit = (c: string | undefined): boolean => c !== undefined && c >= '0' && c <= '9'
const isLetter = (c: string | undefined): boolean => c !== undefined && /[A-Za-z]/.test(c)

function push(tokens: Token[], token: Token, next: number): number {
  tokens.push(token)
  return next
}

/** Digits with an optional fraction; commas belong to it only between groups of three outside brackets. */
function readNumber(text: string, begin: number, tokens: Token[]): number {
  let at = begin
  while (isDigit(text[at])) at++
  if (at - begin <= 3 && !insideBrackets(tokens))
    while (text[at] === ',' && [1, 2, 3].every((k) => isDigit(text[at + k])) && !isDigit(text[at + 4])) at += 4
  if (text[at] === '.' && isDigit(text[at + 1])) {
    at++
    while (isDigit(text[at])) at++
  } else if (text[at] === '.' && !isDigit(text[at + 1]) && text[at + 1] !== '.') {
    return push(tokens, { kind: 'number', text: text.slice(begin, at) }, at + 1)
  }
  return push(tokens, { kind: 'number', text: text.slice(begin, at).replaceAll(',', '') }, at)
}

function insideBrackets(tokens: readonly Token[]): boolean {
  let depth = 0
  for (const { kind, text } of tokens) {
    if (kind === 'sign' && '([{'.includes(text)) depth++
    else if (kind === 'sign' && ')]}'.includes(text)) depth--
    else if (kind === 'command' && text === '{') depth++
  }
  return depth > 0
}

function readCommand(text: string, begin: number, tokens: Token[]): number {
  const next = text[begin + 1]
  if (next === '\\') return push(tokens, { kind: 'command', text: '\\' }, begin + 2)
  if (next === '{' || next === '}' || next === '|' || next === '%')
    return push(tokens, { kind: next === '%' ? 'sign' : 'command', text: next }, begin + 2)
  let at = begin + 1
  while (isLetter(text[at])) at++
  if (at === begin + 1) return begin + 2
  const name = text.slice(begin + 1, at)
  if (dropped.has(name)) return at
  if (textCommands.has(name)) return readText(text, at, tokens)
  return push(tokens, { kind: 'command', text: name }, at)
}

/** `\text{ and }`, `\mathrm{cm}`: a word that means something, one letter, or plain text. */
function readText(text: string, begin: number, tokens: Token[]): number {
  let open = begin
  while (text[open] === ' ') open++
  if (text[open] !== '{') return begin
  const close = text.indexOf('}', open)
  if (close < 0) return text.length
  const inside = text.slice(open + 1, close).trim()
  if (/^[A-Za-z]+$/.test(inside)) pushWord(inside, tokens)
  else if (inside !== '') tokens.push({ kind: 'text', text: inside })
  return close + 1
}

function readWord(text: string, begin: number, tokens: Token[]): number {
  let at = begin
  while (isLetter(text[at])) at++
  const word = text.slice(begin, at)
  const glued = /^(?:or|and)(?=[A-Z])/.exec(word)
  if (glued) return push(tokens, { kind: 'command', text: glued[0] }, begin + glued[0].length)
  pushWord(word, tokens)
  return at
}

function pushWord(word: string, tokens: Token[]): void {
  const lower = word.toLowerCase()
  if (word.length === 1) tokens.push({ kind: 'letter', text: word })
  else if (spelled.has(lower)) {
    const meaning = spelled.get(lower)!
    tokens.push({ kind: meaning === '%' ? 'sign' : 'command', text: meaning })
  } else if (words.has(lower)) tokens.push({ kind: 'command', text: lower })
  else if (units.has(lower) || word.length > 3) tokens.push({ kind: 'text', text: lower })
  else for (const letter of word) tokens.push({ kind: 'letter', text: letter })
}

function readSign(text: string, at: number, tokens: Token[]): number {
  const two = text.slice(at, at + 2)
  const commands: Record<string, string> = { '<=': 'le', '>=': 'ge', '!=': 'ne', '==': '=', '**': '^' }
  const meaning = Object.hasOwn(commands, two) ? commands[two]! : null
  if (meaning === '=' || meaning === '^') return push(tokens, { kind: 'sign', text: meaning }, at + 2)
  if (meaning) return push(tokens, { kind: 'command', text: meaning }, at + 2)
  return push(tokens, { kind: 'sign', text: text[at]! }, at + 1)
}
