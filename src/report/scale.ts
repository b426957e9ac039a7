/** Axes: from data to round tick values and pixels. */

export interface Scale {
  low: number
  high: number
  ticks: number[]
}

/** Below this, numbers are drawn as 0. */
const negligible = 1e-30

/**
 * A range with round ticks (1, 2, 2.5 or 5 times a power of ten) around the values; `include` widens it.
 * Non-finite values are ignored; without any value the range is 0 to 1.
 */
export function niceScale(values: readonly number[], include: readonly number[] = [], wanted = 4): Scale {
  const finite = [...values, ...include].filter(Number.isFinite)
  let low = finite.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY)
  let high = finite.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY)
  if (finite.length === 0) [low, high] = [0, 1]
  const size = Math.max(Math.abs(low), Math.abs(high))
  if (high - low <= size * 1e-9 || size < negligible) {
    const room = size < negligible ? 1 : size / 2
    ;[low, high] = [low - room, high + room]
    if (finite.every((value) => value >= 0)) low = Math.max(0, low)
  }
  const step = niceStep((high - low) / wanted)
  const first = Math.floor(low / step + 1e-9)
  const last = Math.ceil(high / step - 1e-9)
  const ticks = Array.from({ length: last - first + 1 }, (_, i) => Number(((first + i) * step).toPrecision(12)))
  return { low: ticks[0]!, high: ticks.at(-1)!, ticks }
}

function niceStep(rough: number): number {
  const power = 10 ** Math.floor(Math.log10(rough))
  const lead = rough / power
  return (lead <= 1 ? 1 : lead <= 2 ? 2 : lead <= 2.5 ? 2.5 : lead <= 5 ? 5 : 10) * power
}

/** Ticks for steps: whole numbers only. */
export function stepTicks(first: number, last: number): number[] {
  if (first === last) return [first]
  const size = Math.max(1, niceStep((last - first) / 6))
  const whole = size === 2.5 ? 5 : size
  const ticks = []
  for (let tick = Math.ceil(first / whole) * whole; tick <= last; tick += whole) ticks.push(tick)
  return ticks
}
