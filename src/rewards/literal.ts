/**
 * Values written in a text, in JSON or as Python literals: numbers, quoted texts, lists, tuples, records, True, False,
 * None, null; and calls such as `click(x=1, y=2)`. Nothing is evaluated. Nesting, lengths and the number of tries are
 * bounded, so that no text takes long.
 */

export type Literal = number | string | boolean | null | Literal[] | Map<string, Literal>

export interface Call {
  name: string
  /** Arguments without a name, in order. */
  positional: Literal[]
  named: Map<string, Literal>
}

const longestText = 50_000
const longestString = 4_000
const mostItems = 4_000
const deepest = 12
const mostTries = 400
const mostFound = 256

/** The lists, tuples and records of a text from left to right, each as large as it goes. */
export function literalsIn(text: string): Literal[] {
  const reader = new Reader(text.slice(0, longestText))
  const found: Literal[] = []
  for (let at = 0, tries = 0; at < reader.text.length && tries < mostTries && found.length < mostFound; at++) {
    if (!'[{('.includes(reader.text[at]!)) continue
    tries++
    const value = reader.from(at)
    if (value === undefined) continue
    found.push(value)
    at = reader.at - 1
  }
  return found
}

/** The whole text as one value; `undefined` when it is none. */
export function parseLiteral(text: string): Literal | undefined {
  if (text.length > longestText) return undefined
  const reader = new Reader(text)
  const value = reader.from(0)
  return value !== undefined && reader.text.slice(reader.at).trim() === '' ? value : undefined
}

/** The first `name(..)` of a text, for a name that `known` accepts. */
export function callIn(text: string, known: (name: string) => boolean): Call | null {
  const reader = new Reader(text.slice(0, longestText))
  let tries = 0
  for (const match of reader.text.matchAll(/([A-Za-z_][\w.]{0,60})\(/g)) {
    const name = match[1]!.slice(match[1]!.lastIndexOf('.') + 1).toLowerCase()
    if (!known(name)) continue
    if (++tries > mostTries) return null
    const call = reader.call(name, match.index + match[0].length)
    if (call) return call
  }
  return null
}

class Malformed extends Error {}

class Reader {
  readonly text: string
  at = 0
  #items = 0

  constructor(text: string) {
    this.text = text
  }

  from(at: number): Literal | undefined {
    this.at = at
    this.#items = 0
    return this.#attempt(() => this.#value(0))
  }

  call(name: string, at: number): Call | undefined {
    this.at = at
    this.#items = 0
    return this.#attempt(() => this.#arguments(name))
  }

  #attempt<T>(read: () => T): T | undefined {
    try {
      return read()
    } catch (error) {
      if (error instanceof Malformed) return undefined
      throw error
    }
  }

  #space(): void {
    while (' \t\r\n'.includes(this.text[this.at] ?? 'x')) this.at++
  }

  #take(sign: string): boolean {
    this.#space()
    if (this.text[this.at] !== sign) return false
    this.at++
    return true
  }

  #value(depth: number): Literal {
    if (depth > deepest || ++this.#items > mostItems) throw new Malformed()
    this.#space()
    const first = this.text[this.at]
    if (first === '[') return this.#list(']', depth)
    if (first === '(') return this.#list(')', depth)
    if (first === '{') return this.#record(depth)
    if (first === '"' || first === "'") return this.#string(first)
    return this.#scalar()
  }

  #list(close: string, depth: number): Literal[] {
    this.at++
    const items: Literal[] = []
    while (!this.#take(close)) {
      items.push(this.#value(depth + 1))
      if (!this.#take(',') && this.#peek() !== close) throw new Malformed()
    }
    return items
  }

  #record(depth: number): Map<string, Literal> {
    this.at++
    const entries = new Map<string, Literal>()
    while (!this.#take('}')) {
      const key = this.#value(depth + 1)
      if (typeof key !== 'string' && typeof key !== 'number') throw new Malformed()
      if (!this.#take(':')) throw new Malformed()
      entries.set(String(key), this.#value(depth + 1))
      if (!this.#take(',') && this.#peek() !== '}') throw new Malformed()
    }
    return entries
  }

  #arguments(name: string): Call {
    const call: Call = { name, positional: [], named: new Map() }
    while (!this.#take(')')) {
      const key = /^\s*([A-Za-z_]\w{0,40})\s*=/.exec(this.text.slice(this.at, this.at + 120))
      if (key) this.at += key[0].length
      const value = this.#value(0)
      if (key) call.named.set(key[1]!.toLowerCase(), value)
      else call.positional.push(value)
      if (!this.#take(',') && this.#peek() !== ')') throw new Malformed()
    }
    return call
  }

  #peek(): string | undefined {
    this.#space()
    return this.text[this.at]
  }

  #string(quote: string): string {
    let value = ''
    for (this.at++; value.length <= longestString; this.at++) {
      const character = this.text[this.at]
      if (character === undefined) break
      if (character === quote) {
        this.at++
        return value
      }
      value += character === '\\' ? this.#escaped() : character
    }
    throw new Malformed()
  }

  #escaped(): string {
    const next = this.text[++this.at] ?? ''
    if (next !== 'u') return { n: '\n', t: '\t', r: '\r' }[next] ?? next
    const code = /^[0-9a-fA-F]{4}/.exec(this.text.slice(this.at + 1, this.at + 5))
    if (!code) return next
    this.at += 4
    return String.fromCharCode(Number.parseInt(code[0], 16))
  }

  #scalar(): Literal {
    const word = /^[+-]?[\w.]{1,40}(?:(?<=[eE])[+-]\d{1,3})?/.exec(this.text.slice(this.at, this.at + 50))?.[0]
    if (!word) throw new Malformed()
    this.at += word.length
    if (/^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?$/.test(word)) return finite(Number(word))
    if (word === 'true' || word === 'True') return true
    if (word === 'false' || word === 'False') return false
    if (word === 'null' || word === 'None') return null
    throw new Malformed()
  }
}

function finite(value: number): number {
  if (!Number.isFinite(value)) throw new Malformed()
  return value
}
