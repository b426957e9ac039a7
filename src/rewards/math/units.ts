/** Units at the end of an answer: they are dropped when one side has none, and must be the same when both have one. */

const names: readonly (readonly [string, string])[] = [
  ['mm', 'mm millimeter millimeters millimetre millimetres'],
  ['cm', 'cm centimeter centimeters centimetre centimetres'],
  ['m', 'm meter meters metre metres'],
  ['km', 'km kilometer kilometers kilometre kilometres'],
  ['in', 'inch inches'],
  ['ft', 'ft foot feet'],
  ['yd', 'yd yard yards'],
  ['mi', 'mi mile miles'],
  ['mg', 'mg milligram milligrams'],
  ['g', 'g gram grams'],
  ['kg', 'kg kilogram kilograms'],
  ['ml', 'ml milliliter milliliters'],
  ['l', 'l liter liters litre litres'],
  ['s', 's sec secs second seconds'],
  ['min', 'min mins minute minutes'],
  ['h', 'h hr hrs hour hours'],
  ['d', 'day days'],
  ['cents', 'cent cents'],
  ['dollars', 'dollar dollars'],
]
const canonical = new Map(
  names.flatMap(([unit, spellings]) => spellings.split(' ').map((name) => [name, unit] as const)),
)

/** The unit that an answer ends with, with its power (`cm^2`); `null` when it is none of the known ones. */
export function unitOf(answer: string): string | null {
  const end = answer.slice(-60).replaceAll(/[{}$\s\\.]|text|mathrm/g, '')
  const match = /[0-9)]([A-Za-z]{1,12})(?:\^?([23²³]))?$/.exec(end)
  const unit = match && canonical.get(match[1]!.toLowerCase())
  if (!unit) return null
  const power = { '²': '2', '³': '3' }[match[2] ?? ''] ?? match[2] ?? ''
  return unit + power
}
