/**
 * Exact numbers from answer text: integers, decimals, scientific notation, thousands commas, `a/b` and `\frac{a}{b}`.
 * 0.1 and 1/10 are the same number here and 0.1 and 0.10000000000000001 are not, which floating point cannot say.
 */

/** numerator / denominator; the denominator is above 0. Not reduced: compare with `sameRational`. */
export interface Rational {
  numerator: bigint
  denominator: bigint
}

/** Longer texts are not read as numbers: it bounds the big integers that hostile text can ask for. */
const longestNumber = 200
const largestExponent = 400

const decimal = /^([+-]?)(\d{1,3}(?:,\d{3})+|\d*)(?:\.(\d*))?(?:e([+-]?\d{1,4}))?$/
const fraction = /^([+-]?)\\[dt]?frac\{([^{}]*)\}\{([^{}]*)\}$/

/** Reads a number from lower-case text with single spaces and none at its ends; `null` when it is not one. */
export function parseRational(text: string): Rational | null {
  if (text.length === 0 || text.length > longestNumber) return null
  const plain = text
    .replaceAll('−', '-')
    .replace(/ ?\/ ?/, '/')
    .replace(/^([+-]) /, '$1')
  const latex = fraction.exec(plain)
  if (latex) {
    const value = divide(parseDecimal(latex[2]!), parseDecimal(latex[3]!))
    return value && latex[1] === '-' ? { ...value, numerator: -value.numerator } : value
  }
  const slash = plain.indexOf('/')
  if (slash < 0) return parseDecimal(plain)
  return divide(parseDecimal(plain.slice(0, slash)), parseDecimal(plain.slice(slash + 1)))
}

export function sameRational(a: Rational, b: Rational): boolean {
  return a.numerator * b.denominator === b.numerator * a.denominator
}

function parseDecimal(text: string): Rational | null {
  const match = decimal.exec(text)
  if (!match) return null
  const [, sign, grouped = '', decimals = '', exponentText] = match
  const digits = grouped.replaceAll(',', '') + decimals
  if (digits === '') return null
  const exponent = Number(exponentText ?? 0) - decimals.length
  if (Math.abs(exponent) > largestExponent) return null
  const magnitude = BigInt(digits)
  const value = sign === '-' ? -magnitude : magnitude
  return exponent >= 0
    ? { numerator: value * 10n ** BigInt(exponent), denominator: 1n }
    : { numerator: value, denominator: 10n ** BigInt(-exponent) }
}

function divide(a: Rational | null, b: Rational | null): Rational | null {
  if (!a || !b || b.numerator === 0n) return null
  const sign = b.numerator < 0n ? -1n : 1n
  return { numerator: sign * a.numerator * b.denominator, denominator: sign * a.denominator * b.numerator }
}
