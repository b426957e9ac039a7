/**
 * Complex numbers that carry a bound on their own rounding error, so that "equal" can mean "equal as far as double
 * precision can tell" without a fixed tolerance: e^-50 is not 0, and sin(pi) is. NaN parts mean "no value here".
 */

export interface Complex {
  re: number
  im: number
  /** Bound on the distance to the true value, to first order. */
  error: number
}

const unit = 2 ** -52

export const real = (re: number): Complex => ({ re, im: 0, error: Math.abs(re) * unit })
export const undefinedValue: Complex = { re: Number.NaN, im: Number.NaN, error: Number.NaN }
export const imaginaryUnit: Complex = { re: 0, im: 1, error: 0 }

export const size = ({ re, im }: Complex): number => Math.hypot(re, im)
export const isDefined = ({ re, im, error }: Complex): boolean => Number.isFinite(re + im + error)
/** Whether the imaginary part may be rounding alone. */
export const isReal = (z: Complex): boolean => Math.abs(z.im) <= slack * z.error

/** Error bounds are to first order; this factor covers the rest. */
const slack = 64

/** Values further apart are different, however uncertain they are: else terms that cancel would equal everything. */
const farthest = { relative: 1e-9, absolute: 1e-12 }

/** Whether two values are equal as far as their errors let one tell. */
export function close(a: Complex, b: Complex): boolean {
  const apart = Math.hypot(a.re - b.re, a.im - b.im)
  const limit = Math.max(farthest.relative * Math.max(size(a), size(b)), farthest.absolute)
  return apart <= slack * (a.error + b.error) && apart <= limit
}

function make(re: number, im: number, error: number): Complex {
  return { re, im, error: error + unit * Math.hypot(re, im) }
}

export const add = (a: Complex, b: Complex): Complex => make(a.re + b.re, a.im + b.im, a.error + b.error)
export const minus = (a: Complex): Complex => ({ re: -a.re, im: -a.im, error: a.error })

export function times(a: Complex, b: Complex): Complex {
  const error = size(a) * b.error + size(b) * a.error
  return make(a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re, error)
}

/** Undefined where the divisor may be 0. */
export function over(a: Complex, b: Complex): Complex {
  const squared = b.re ** 2 + b.im ** 2
  const length = Math.sqrt(squared)
  if (!(length > slack * b.error)) return undefinedValue
  const re = (a.re * b.re + a.im * b.im) / squared
  const im = (a.im * b.re - a.re * b.im) / squared
  return make(re, im, (a.error + Math.hypot(re, im) * b.error) / length)
}

export function exp(z: Complex): Complex {
  const scale = Math.exp(z.re)
  return make(scale * Math.cos(z.im), scale * Math.sin(z.im), scale * (z.error + unit * (1 + size(z))))
}

/** Principal branch. */
export function log(z: Complex): Complex {
  const length = size(z)
  if (!(length > slack * z.error)) return undefinedValue
  const im = isReal(z) ? (z.re < 0 ? Math.PI : 0) : Math.atan2(z.im, z.re)
  return make(Math.log(length), im, z.error / length + unit)
}

export function sqrt(z: Complex): Complex {
  const length = size(z)
  if (isReal(z)) {
    const root = Math.sqrt(Math.abs(z.re))
    const error = root > 0 ? Math.min(z.error / root, Math.sqrt(z.error)) : Math.sqrt(z.error)
    return z.re >= 0 ? make(root, 0, error) : make(0, root, error)
  }
  const re = Math.sqrt((length + z.re) / 2)
  const im = Math.sign(z.im) * Math.sqrt((length - z.re) / 2)
  return make(re, im, z.error / Math.sqrt(length))
}

const mostSquarings = 1024

/** `base ** exponent`, whole exponents by repeated squaring, others by the principal logarithm. */
export function raise(base: Complex, exponent: Complex): Complex {
  const whole = exponent.im === 0 && Number.isInteger(exponent.re) && Math.abs(exponent.re) <= mostSquarings
  if (!whole) {
    if (size(base) === 0) return exponent.re > 0 ? real(0) : undefinedValue
    return exp(times(exponent, log(base)))
  }
  let result = real(1)
  let factor = base
  for (let left = Math.abs(exponent.re); left > 0; left = Math.floor(left / 2)) {
    if (left % 2 === 1) result = times(result, factor)
    factor = times(factor, factor)
  }
  if (exponent.re === 0 && size(base) === 0) return undefinedValue
  return exponent.re < 0 ? over(real(1), result) : result
}
