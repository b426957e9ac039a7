/** The little of a framework that the page needs. All text goes in as text. */

/**
 * @param {string} tag
 * @param {Record<string, unknown>} attributes `on*` are listeners, `class` and others attributes, `null` leaves one out
 * @param {...(Node | string)} children
 */
export function h(tag, attributes = {}, ...children) {
  const node = document.createElement(tag)
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue
    if (name.startsWith('on')) node.addEventListener(name.slice(2), value)
    else node.setAttribute(name, value === true ? '' : String(value))
  }
  node.append(...children)
  return node
}

export const byId = (id) => document.getElementById(id)

/** Four significant digits, as in the report. */
export function formatNumber(value) {
  if (value === null || value === undefined) return '–'
  if (!Number.isFinite(value)) return String(value)
  if (value === 0) return '0'
  const size = Math.abs(value)
  if (size >= 1e6 || size < 1e-3)
    return value
      .toExponential(2)
      .replace(/\.?0+e/, 'e')
      .replace('e+', 'e')
  return String(Number(value.toPrecision(4)))
}

export const formatPercent = (share) => (Number.isFinite(share) ? `${(share * 100).toFixed(1)} %` : '–')

export function formatDuration(seconds) {
  if (!Number.isFinite(seconds)) return '–'
  const whole = Math.max(0, Math.round(seconds))
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60]
  if (hours > 0) return `${hours} h ${minutes} min`
  return minutes > 0 ? `${minutes} min ${whole % 60} s` : `${whole} s`
}
