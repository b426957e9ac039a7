/** Numbers and durations as people read them. */

/** Four significant digits, without needless zeros: 0.1235, 12.35, 1.2e-6. */
export function formatNumber(value: number): string {
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

/** `0:07`, `12:40`, `3:02:10`. */
export function formatDuration(seconds: number): string {
  if (!Number.isFinite(seconds)) return '-:--'
  const whole = Math.max(0, Math.round(seconds))
  const two = (value: number) => String(value).padStart(2, '0')
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60]
  return h > 0 ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`
}

export const formatPercent = (share: number) =>
  Number.isFinite(share) ? `${(share * 100).toFixed(1)} %` : String(share)

/** Three significant digits in binary units: 0 B, 531 KiB, 1.21 GiB. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']
  const unit = bytes < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log2(bytes) / 10))
  const value = bytes / 1024 ** unit
  return `${value >= 999.5 ? Math.round(value) : Number(value.toPrecision(3))} ${units[unit]}`
}
