/** The functions that answers name, on complex numbers with error bounds. */
import {
  add,
  type Complex,
  exp,
  imaginaryUnit as i,
  isReal,
  log,
  minus,
  over,
  raise,
  real,
  size,
  sqrt,
  times,
  undefinedValue,
} from './complex.ts'

type Function1 = (z: Complex) => Complex

const one = real(1)
const two = real(2)

const sin: Function1 = (z) => over(add(exp(times(i, z)), minus(exp(minus(times(i, z))))), times(two, i))
const cos: Function1 = (z) => over(add(exp(times(i, z)), exp(minus(times(i, z)))), two)
const sinh: Function1 = (z) => over(add(exp(z), minus(exp(minus(z)))), two)
const cosh: Function1 = (z) => over(add(exp(z), exp(minus(z))), two)
const arcsin: Function1 = (z) => {
  if (isReal(z) && Math.abs(z.re) <= 1) return onReals(z, Math.asin, (x) => 1 / Math.sqrt(Math.max(1 - x * x, 1e-12)))
  return minus(times(i, log(add(times(i, z), sqrt(add(one, minus(times(z, z))))))))
}
const arccos: Function1 = (z) => add(real(Math.PI / 2), minus(arcsin(z)))
const arctan: Function1 = (z) => (isReal(z) ? onReals(z, Math.atan, (x) => 1 / (1 + x * x)) : undefinedValue)

function onReals(z: Complex, value: (x: number) => number, slope: (x: number) => number): Complex {
  return { ...real(value(z.re)), error: Math.abs(value(z.re)) * 2 ** -52 + slope(z.re) * z.error }
}

/** A step function is known only away from its steps, unless the value is a whole number exactly. */
function stepped(z: Complex, round: (x: number) => number): Complex {
  if (!isReal(z)) return undefinedValue
  const nearest = Math.round(z.re)
  return real(Math.abs(z.re - nearest) <= 64 * z.error ? nearest : round(z.re))
}

const largestFactorial = 170

function factorial(z: Complex): Complex {
  const n = Math.round(z.re)
  if (z.im !== 0 || Math.abs(z.re - n) > 1e-9 || n < 0 || n > largestFactorial) return undefinedValue
  let value = one
  for (let k = 2; k <= n; k++) value = times(value, real(k))
  return value
}

function binomial(n: Complex, k: Complex): Complex {
  const count = k.re
  if (k.im !== 0 || !Number.isInteger(count) || count < 0 || count > 400) return undefinedValue
  let value = one
  for (let j = 0; j < count; j++) value = over(times(value, add(n, real(-j))), real(j + 1))
  return value
}

const ofOne = new Map<string, Function1>([
  ['sin', sin],
  ['cos', cos],
  ['tan', (z) => over(sin(z), cos(z))],
  ['cot', (z) => over(cos(z), sin(z))],
  ['sec', (z) => over(one, cos(z))],
  ['csc', (z) => over(one, sin(z))],
  ['arcsin', arcsin],
  ['arccos', arccos],
  ['arctan', arctan],
  ['sinh', sinh],
  ['cosh', cosh],
  ['tanh', (z) => over(sinh(z), cosh(z))],
  ['ln', log],
  ['log', log],
  ['lg', (z) => over(log(z), log(real(10)))],
  ['exp', exp],
  ['sqrt', sqrt],
  ['abs', (z) => ({ re: size(z), im: 0, error: z.error })],
  ['floor', (z) => stepped(z, Math.floor)],
  ['ceil', (z) => stepped(z, Math.ceil)],
  ['factorial', factorial],
  ['Re', (z) => ({ ...z, im: 0 })],
  ['Im', (z) => ({ ...z, re: z.im, im: 0 })],
])

const ofTwo = new Map<string, (a: Complex, b: Complex) => Complex>([
  ['log', (z, base) => over(log(z), log(base))],
  ['root', root],
  ['binom', binomial],
])

/** Real odd roots of negative numbers are real, as in school: the cube root of -8 is -2. */
function root(z: Complex, degree: Complex): Complex {
  const odd = degree.im === 0 && degree.re % 2 === 1
  if (odd && isReal(z) && z.re < 0) return minus(raise(minus(z), over(one, degree)))
  return raise(z, over(one, degree))
}

/** A value for `name(of)`; undefined for other functions, other numbers of arguments, and outside the domain. */
export function apply(name: string, of: readonly Complex[]): Complex {
  const [a, b] = of
  if (a && b && of.length === 2 && ofTwo.has(name)) return ofTwo.get(name)!(a, b)
  if (a && of.length === 1 && ofOne.has(name)) return ofOne.get(name)!(a)
  if ((name === 'max' || name === 'min') && of.length > 0 && of.every(isReal))
    return of.reduce((best, z) => ((name === 'max' ? z.re > best.re : z.re < best.re) ? z : best))
  return undefinedValue
}

/**
 * The value of a function nobody defined: a fixed smooth function for each name, so that equal arguments give equal
 * values and other arguments practically never do.
 */
export function applyUnknown(name: string, of: readonly Complex[]): Complex {
  let value = real(hash(name))
  for (const [k, z] of of.entries()) {
    const weight = real(0.5 + hash(`${name}/${k}`))
    value = add(value, times(weight, add(sin(times(weight, z)), over(z, real(3)))))
  }
  return value
}

/** A number in [0, 1) that depends on the text alone (FNV-1a). */
export function hash(text: string): number {
  let state = 0x811c9dc5
  for (let at = 0; at < text.length; at++) state = Math.imul(state ^ text.charCodeAt(at), 0x01000193) >>> 0
  state = Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) >>> 0
  return ((state ^ (state >>> 13)) >>> 0) / 2 ** 32
}
