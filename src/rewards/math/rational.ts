/**
 * Exact numbers: integers, decimals, scientific notation, thousands commas, `a/b` and `\frac{a}{b}`.
 * 0.1 and 1/10 are the same number here and 0.1 and 0.10000000000000001 are not, which floating point cannot say.
 * Every operation refuses (`null`) results above `largestBits`: it bounds what hostile text can ask for.
 */

/** numerator / denominator; the denominator is above 0. Not reduced: compare with `sameRational`. */
export interface Rational {
  numerator: bigint
  denominator: bigint
}

/** Longer texts are not read as numbers. */
const longestNumber = 200
const largestExponent = 400
const largestBits = 4096

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
    const value = quotient(parseDecimal(latex[2]!), parseDecimal(latex[3]!))
    return value && latex[1] === '-' ? negate(value) : value
  }
  const slash = plain.indexOf('/')
  if (slash < 0) return parseDecimal(plain)
  return quotient(parseDecimal(plain.slice(0, slash)), parseDecimal(plain.slice(slash + 1)))
}

/** A decimal, with or without thousands commas and exponent. */
export function parseDecimal(text: string): Rational | null {
  if (text.length > longestNumber) return null
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

export const integer = (value: number | bigint): Rational => ({ numerator: BigInt(value), denominator: 1n })

export const negate = ({ numerator, denominator }: Rational): Rational => ({ numerator: -numerator, denominator })

export function sameRational(a: Rational, b: Rational): boolean {
  return a.numerator * b.denominator === b.numerator * a.denominator
}

/** -1, 0 or 1. */
export function compareRational(a: Rational, b: Rational): number {
  const difference = a.numerator * b.denominator - b.numerator * a.denominator
  return difference < 0n ? -1 : difference > 0n ? 1 : 0
}

export function sum(a: Rational, b: Rational): Rational | null {
  return bounded(a.numerator * b.denominator + b.numerator * a.denominator, a.denominator * b.denominator)
}

export function product(a: Rational, b: Rational): Rational | null {
  return bounded(a.numerator * b.numerator, a.denominator * b.denominator)
}

/** `null` for a zero divisor, or when either side is `null`. */
export function quotient(a: Rational | null, b: Rational | null): Rational | null {
  if (!a || !b || b.numerator === 0n) return null
  const sign = b.numerator < 0n ? -1n : 1n
  return bounded(sign * a.numerator * b.denominator, sign * a.denominator * b.numerator)
}

/** `base ** exponent` for whole exponents whose result stays small; `null` otherwise, and for 0 to a power below 1. */
export function power(base: Rational, exponent: Rational): Rational | null {
  if (exponent.numerator % exponent.denominator !== 0n) return null
  const whole = exponent.numerator / exponent.denominator
  const size = whole < 0n ? -whole : whole
  if (base.numerator === 0n) return whole > 0n ? integer(0) : null
  if (base.denominator === 1n && (base.numerator === 1n || base.numerator === -1n))
    return integer(base.numerator === 1n || size % 2n === 0n ? 1 : -1)
  const bits = BigInt(Math.max(bitLength(base.numerator), bitLength(base.denominator)))
  if (bits * size > BigInt(largestBits)) return null
  const raised = { numerator: base.numerator ** size, denominator: base.denominator ** size }
  return whole >= 0n ? raised : quotient(integer(1), raised)
}

/** The nearest double. */
export function toNumber({ numerator, denominator }: Rational): number {
  const shift = bitLength(numerator) - bitLength(denominator) - 64
  const scaled = shift >= 0 ? numerator / (denominator << BigInt(shift)) : (numerator << BigInt(-shift)) / denominator
  return Number(scaled) * 2 ** shift
}

/** Whether it has a finite decimal expansion: its reduced denominator has no other primes than 2 and 5. */
export function terminates({ numerator, denominator }: Rational): boolean {
  let rest = denominator / gcd(numerator < 0n ? -numerator : numerator, denominator)
  for (const prime of [2n, 5n]) while (rest % prime === 0n) rest /= prime
  return rest === 1n
}

export function gcd(a: bigint, b: bigint): bigint {
  let [x, y] = [a, b]
  while (y !== 0n) [x, y] = [y, x % y]
  return x
}

function bounded(numerator: bigint, denominator: bigint): Rational | null {
  if (bitLength(numerator) <= largestBits && bitLength(denominator) <= largestBits) return { numerator, denominator }
  const common = gcd(numerator < 0n ? -numerator : numerator, denominator)
  const reduced = { numerator: numerator / common, denominator: denominator / common }
  return bitLength(reduced.numerator) <= largestBits && bitLength(reduced.denominator) <= largestBits ? reduced : null
}

/** Up to 3 too many. */
function bitLength(value: bigint): number {
  return (value < 0n ? -value : value).toString(16).length * 4
}
