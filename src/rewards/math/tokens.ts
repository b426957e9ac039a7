/** A cursor over tokens, with the look-ahead that the parser needs and its bound on nesting. */
import type { Token } from './lexer.ts'

const deepest = 90

/** Thrown inside the parser for text that is no answer; `parseAnswer` turns it into `null`. */
export class NotMaths extends Error {}

export class Tokens {
  readonly #tokens: Token[]
  #at = 0
  #depth = 0

  constructor(tokens: Token[]) {
    this.#tokens = tokens
  }

  peek(ahead = 0): Token | undefined {
    return this.#tokens[this.#at + ahead]
  }

  get done(): boolean {
    return this.#at >= this.#tokens.length
  }

  next(): Token {
    const token = this.#tokens[this.#at++]
    if (!token) throw new NotMaths()
    return token
  }

  sign(text: string, ahead = 0): boolean {
    const token = this.peek(ahead)
    return token?.kind === 'sign' && token.text === text
  }

  command(text: string, ahead = 0): boolean {
    const token = this.peek(ahead)
    return token?.kind === 'command' && token.text === text
  }

  takeSign(text: string): boolean {
    if (!this.sign(text)) return false
    this.#at++
    return true
  }

  takeCommand(text: string): boolean {
    if (!this.command(text)) return false
    this.#at++
    return true
  }

  expectSign(text: string): void {
    if (!this.takeSign(text)) throw new NotMaths()
  }

  /** The first digit of a number token: TeX reads `\frac13` as 1/3. */
  takeDigit(): string {
    const token = this.next()
    if (token.kind !== 'number') throw new NotMaths()
    if (token.text.length === 1) return token.text
    this.#at--
    this.#tokens[this.#at] = { kind: 'number', text: token.text.slice(1) }
    return token.text[0]!
  }

  get mark(): number {
    return this.#at
  }

  back(mark: number): void {
    this.#at = mark
  }

  /** Runs `read` one level deeper. */
  nested<T>(read: () => T): T {
    if (++this.#depth > deepest) throw new NotMaths()
    const value = read()
    this.#depth--
    return value
  }
}
