/**
 * Where in a text its answer stands. The last statement wins: the last group of `\boxed{..}`, or what follows a later
 * "final answer is"; without either the last formula or number. One answer only, so that listing guesses gains nothing.
 *
 * Hostile text: only its end is read, and every scan has a fixed reach.
 */
import { longestAnswer } from './clean_up.ts'

export interface ExtractOptions {
  /** Look for formulas: `$..$`, `\(..\)`, `\[..\]`, `\boxed{..}`. */
  latex: boolean
  /** Look for numbers and bare expressions outside formulas. */
  expression: boolean
}

export interface Answer {
  /** Parts that stand side by side, as in `\boxed{1}, \boxed{2}`. */
  parts: string[]
  /** From outside any formula: a comma may be a decimal one. */
  bare: boolean
}

const longestText = 32_768
const mostBoxes = 64
const mostParts = 40
const anchors = ['answer is', 'answer:', 'answer:**']

/** The answer of a text, `null` when there is none. */
export function findAnswer(text: string, options: ExtractOptions): Answer | null {
  const inside = afterThinking(tagged(text.slice(-4 * longestText)) ?? text).slice(-longestText)
  if (options.expression && isBare(inside)) {
    const whole = inside.trim()
    if (whole.length > 0 && whole.length <= 200) return { parts: [whole], bare: true }
  }
  const boxed = options.latex ? lastBoxes(inside) : null
  const anchored = afterAnchor(inside, boxed?.end ?? 0, options)
  if (anchored) return anchored
  if (boxed) return { parts: boxed.parts, bare: false }
  return lastPiece(inside, options)
}

/** The last number of a text, for a bare text that is no expression as a whole. */
export function lastNumberOf(text: string): Answer | null {
  const number = lastNumber(text.slice(-longestText))
  return number ? { parts: [number.text], bare: true } : null
}

function tagged(text: string): string | null {
  const end = text.lastIndexOf('</answer>')
  const start = end < 0 ? -1 : text.lastIndexOf('<answer>', end)
  return start < 0 ? null : text.slice(start + '<answer>'.length, end)
}

function afterThinking(text: string): string {
  const end = text.lastIndexOf('</think>')
  return end < 0 ? text : text.slice(end + '</think>'.length)
}

const isBare = (text: string): boolean => !/\$|\\\(|\\\[|\\boxed|\n/.test(text.trim())

interface Boxes {
  parts: string[]
  end: number
}

/** The boxes at the end of the text that only separators part. */
function lastBoxes(text: string): Boxes | null {
  const found: { start: number; end: number; inside: string }[] = []
  let from = text.length
  for (let k = 0; k < mostBoxes; k++) {
    const start = text.lastIndexOf('\\boxed{', from)
    if (start < 0) break
    from = start - 1
    const box = closeBox(text, start + '\\boxed{'.length)
    if (box) found.unshift({ start, ...box })
    if (from < 0) break
  }
  const last = found.at(-1)
  if (!last) return null
  const parts = [last.inside + percentAfter(text, last.end)]
  for (let k = found.length - 2; k >= 0 && parts.length < mostParts; k--) {
    const { end, inside } = found[k]!
    const gap = text.slice(end, found[k + 1]!.start)
    if (end > found[k + 1]!.start || !onlySeparates(gap)) break
    parts.unshift(inside)
  }
  return { parts, end: last.end }
}

function closeBox(text: string, inside: number): { end: number; inside: string } | null {
  const reach = Math.min(text.length, inside + longestAnswer)
  for (let at = inside, depth = 1; at < reach; at++) {
    if (text[at] === '\\' && text[at + 1] !== '\\') at++
    else if (text[at] === '{') depth++
    else if (text[at] === '}' && --depth === 0) return { end: at + 1, inside: text.slice(inside, at) }
  }
  return null
}

/** `\boxed{28} percent`, `$28$ %`. */
function percentAfter(text: string, at: number): string {
  return /^[\s$)\\]{0,6}(?:%|percent|pct)/.test(text.slice(at, at + 20)) ? '\\%' : ''
}

/** Nothing but signs, spaces, formula borders and "and" / "or". */
function onlySeparates(gap: string): boolean {
  if (gap.length > 60) return false
  return gap.replace(/\\(?:quad|qquad|text)|\b(?:and|or)\b/g, '').replace(/[\s$,;:.+(){}[\]\\"&]/g, '') === ''
}

/** What follows the last "answer is" behind `after`, when it begins with a formula or a number. */
function afterAnchor(text: string, after: number, options: ExtractOptions): Answer | null {
  const lower = text.toLowerCase()
  for (const anchor of anchors) {
    const at = lower.lastIndexOf(anchor)
    if (at < after) continue
    let begin = at + anchor.length
    while (begin < text.length && ' \t\r\n:*"\'\\"'.includes(text[begin]!) && !opens(text, begin)) begin++
    const formula = options.latex ? formulasAt(text, begin) : null
    if (formula) return formula
    if (!options.expression) continue
    const number = numberAt(text, begin)
    if (number) return { parts: [number], bare: true }
  }
  return null
}

const borders = [
  ['$$', '$$'],
  ['$', '$'],
  ['\\(', '\\)'],
  ['\\[', '\\]'],
] as const

const opens = (text: string, at: number): boolean => borders.some(([open]) => text.startsWith(open, at))

interface Formula {
  inside: string
  end: number
}

/** Finds formulas in one text, in ascending order: where the next border closes is looked up once. */
class Formulas {
  readonly #text: string
  readonly #closing = new Map<string, number>()

  constructor(text: string) {
    this.#text = text
  }

  /** The formula that opens at `at`: a single `$` may not reach over a line end. */
  at(at: number): Formula | null {
    for (const [open, shut] of borders) {
      if (!this.#text.startsWith(open, at)) continue
      const begin = at + open.length
      const end = this.#close(begin, shut)
      if (end < 0 || end - begin > longestAnswer) return null
      const inside = this.#text.slice(begin, end)
      return open === '$' && inside.includes('\n') ? null : { inside, end: end + shut.length }
    }
    return null
  }

  #close(begin: number, shut: string): number {
    const cached = this.#closing.get(shut)
    if (cached !== undefined && (cached < 0 || cached >= begin)) return cached
    let end = this.#text.indexOf(shut, begin)
    while (end > begin && this.#text[end - 1] === '\\') end = this.#text.indexOf(shut, end + 1)
    this.#closing.set(shut, end)
    return end
  }
}

/** The formula at `at` and those that follow it with separators only between them. */
function formulasAt(text: string, at: number): Answer | null {
  const parts: string[] = []
  const formulas = new Formulas(text)
  for (let begin = at; parts.length < mostParts; ) {
    const formula = formulas.at(begin)
    if (!formula) break
    parts.push(formula.inside + percentAfter(text, formula.end))
    const next = text.slice(formula.end, formula.end + 12)
    const gap = /^[\s,;]*(?:and\s|or\s)?\s*/.exec(next)![0].length
    begin = formula.end + gap
    if (gap === 0) break
  }
  return parts.length === 0 ? null : { parts, bare: false }
}

/** The last formula or number, whichever ends later. */
function lastPiece(text: string, options: ExtractOptions): Answer | null {
  const formula = options.latex ? lastFormula(text) : null
  const number = options.expression ? lastNumber(text) : null
  if (formula && (!number || number.end <= formula.end)) return { parts: [formula.inside], bare: false }
  return number ? { parts: [number.text], bare: true } : null
}

function lastFormula(text: string): Formula | null {
  const formulas = new Formulas(text)
  let last: Formula | null = null
  for (let at = 0; at < text.length; ) {
    if (text[at] !== '$' && text[at] !== '\\') at++
    else if (text.startsWith('\\$', at)) at += 2
    else {
      const formula = formulas.at(at)
      if (formula) last = { inside: formula.inside + percentAfter(text, formula.end), end: formula.end }
      at = formula ? formula.end : at + 1
    }
  }
  return last
}

const inNumber = (c: string | undefined): boolean => c !== undefined && /[0-9.,/]/.test(c)
const isDigit = (c: string | undefined): boolean => c !== undefined && c >= '0' && c <= '9'

function lastNumber(text: string): { text: string; end: number } | null {
  let end = text.length
  while (end > 0 && !isDigit(text[end - 1])) end--
  if (end === 0) return null
  let begin = end
  while (begin > 0 && end - begin < 200 && inNumber(text[begin - 1])) begin--
  while (!isDigit(text[begin]) && text[begin] !== '.') begin++
  const negative = text[begin - 1] === '-' && !isDigit(text[begin - 2])
  return { text: (negative ? '-' : '') + text.slice(begin, end) + percentAfter(text, end), end }
}

function numberAt(text: string, begin: number): string | null {
  let at = begin
  if (text[at] === '-') at++
  const digits = at
  while (at < text.length && at - begin < 200 && inNumber(text[at])) at++
  while (at > digits && !isDigit(text[at - 1])) at--
  return at > digits && isDigit(text[at - 1]) ? text.slice(begin, at) + percentAfter(text, at) : null
}
