/** The table a quickstart ends with. */
import { formatDuration, formatPercent } from '../metrics/format.ts'
import type { QuickstartReport } from './pipeline.ts'

/** One line per kind of question, one for all, and what it took. */
export function closingTable(report: QuickstartReport): string {
  const head = ['questions', 'rows', 'best constant', 'warm start', 'after RL', 'blind']
  const kinds = Object.entries(report.perKind)
  const constant = kinds.reduce((sum, [, k]) => sum + k.bestConstant * k.rows, 0) / report.heldOut
  const body = kinds.map(([kind, { rows, bestConstant, sft, rl, blind }]) => [
    ...[kind, String(rows)],
    ...[bestConstant, sft, rl, blind].map(formatPercent),
  ])
  const all = [constant, report.sftAccuracy, report.rlAccuracy, report.blindAccuracy]
  const rows = [head, ...body, ['all', String(report.heldOut), ...all.map(formatPercent)]]
  const widths = head.map((_, c) => Math.max(...rows.map((row) => row[c]!.length)))
  const line = (row: string[]) =>
    row.map((cell, c) => (c === 0 ? cell.padEnd(widths[c]!) : cell.padStart(widths[c]!))).join('  ')
  const rule = widths.map((width) => '-'.repeat(width)).join('  ')
  const [first, ...others] = rows.map(line)
  const facts =
    `${formatDuration(report.seconds)} in all, ${report.steps} RL steps, ` +
    `${Math.round(report.tokensPerSecond)} tokens/s, ${Math.round(report.peakRssMb)} MiB at most`
  return [first, rule, ...others.slice(0, -1), rule, others.at(-1), '', facts, ''].join('\n')
}
