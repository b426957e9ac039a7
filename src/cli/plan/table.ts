/** A plan as a table: what memory is for, down; phases of a step, across; a bar for the phase that needs most. */
import { formatBytes } from '../../metrics/format.ts'
import type { Style } from '../../metrics/style.ts'
import { type PartName, partNames } from '../../plan/meter.ts'
import type { Plan } from '../../plan/plan.ts'
import type { Remedies, Remedy } from '../../plan/remedies.ts'

/** A machine or a GPU that the run may go to. */
export interface Place {
  name: string
  /** Bytes. */
  capacity: number
  /** Free now; `null` for a GPU. */
  free: number | null
}

const contextNote = 'The CUDA context takes some hundred MiB more.\n'

const labels: Record<PartName, string> = {
  weights: 'weights',
  reference: 'reference weights',
  rewards: 'weights of rewards',
  gradients: 'gradients',
  optimizer: 'optimizer state',
  activations: 'activations',
  images: 'vision tower',
  imageCache: 'kept image features',
  kvCache: 'KV cache',
  workspace: 'workspace',
}
const barWidth = 30

export function planTable(plan: Plan, style: Style): string {
  const { phases, peak } = plan
  const parts = partNames.filter((part) => phases.some(([, memory]) => memory[part] > 0))
  const rows = [
    ['', ...phases.map(([name]) => name)],
    ...parts.map((part) => [labels[part], ...phases.map(([, memory]) => formatBytes(memory[part]))]),
    ['in all', ...phases.map(([, memory]) => formatBytes(memory.total))],
  ]
  const widths = rows[0]!.map((_, c) => Math.max(...rows.map((row) => row[c]!.length)))
  const text = rows.map((row) =>
    row.map((cell, c) => (c === 0 ? cell.padEnd(widths[c]!) : cell.padStart(widths[c]!))).join('  '),
  )
  const bars = parts.map((part) => bar(peak[part], peak.total, style))
  const rule = widths.map((width) => '-'.repeat(width)).join('  ')
  const body = text.slice(1, -1).map((line, i) => `${line}  ${bars[i]}`)
  return [`${text[0]}  at the peak (${peak.phase})`, rule, ...body, rule, style('bold', text.at(-1)!), ''].join('\n')
}

/** Eighths of a character cell, so that small shares are seen. */
function bar(value: number, total: number, style: Style): string {
  const eighths = Math.round((value / total) * barWidth * 8)
  const end = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉'][eighths % 8]!
  const percent = `${Math.round((value / total) * 100)} %`.padStart(6)
  return `${percent} ${style('cyan', '█'.repeat(Math.floor(eighths / 8)) + end)}`
}

export function planSummary({ model, optimizer, step, offloaded, checkpoint }: Plan): string {
  const count = (value: number) => value.toLocaleString('en-US')
  const formats = `weights and activations in ${model.dtype}, gradients in ${optimizer.gradDtype}, moments in ${optimizer.state}`
  const sources = {
    data: 'the longest of the data',
    given: 'as given',
    limits: 'as long as data.maxPromptTokens allows',
  }
  const images =
    step.images.count === 0 ? '' : `, ${count(step.images.count)} images of up to ${count(step.images.pixels)} pixels`
  const trained = model.trained === model.parameters ? 'all trained' : `${count(model.trained)} trained`
  return [
    `model   ${model.family}, ${count(model.parameters)} parameters, ${trained}; ${formats}, on ${model.device === 'cuda' ? 'CUDA' : 'the CPU'}`,
    `step    ${step.trainer}, ${step.prompts} prompts${step.trainer === 'grpo' ? ` x ${step.groupSize} completions` : ''} of up to ${count(step.maxNewTokens)} tokens`,
    `prompts up to ${count(step.promptTokens.longest)} tokens (${sources[step.source]})${images}`,
    ...(offloaded > 0 ? [`host    ${formatBytes(offloaded)} of pinned memory, by train.offload`] : []),
    `disk    ${formatBytes(checkpoint.each)} a checkpoint, up to ${formatBytes(checkpoint.most)} at once; saving takes no memory of the process`,
    '',
    '',
  ].join('\n')
}

/** Whether it fits. */
export function fitLine(plan: Plan, { name, capacity, free }: Place, style: Style): string {
  const has = `${name} has ${formatBytes(capacity)}${free === null ? '' : `, ${formatBytes(free)} free now`}`
  const missing = plan.reserved - capacity
  const note = plan.model.device === 'cuda' ? contextNote : ''
  if (missing > 0) return `${has}: ${style('red', `does not fit, ${formatBytes(missing)} too much`)}\n${note}`
  if (free !== null && plan.reserved > free) return `${has}: ${style('yellow', 'fits when other programs make room')}\n`
  return `${has}: ${style('green', 'fits')}\n${note}`
}

/** What to change, with the peak that each change leads to. */
export function remedyTable({ single, useless, free, all }: Remedies, capacity: number, style: Style): string {
  const groups: [string, Remedy[]][] = [
    ['One change at a time would bring the peak to', single],
    ['All changes that leave the result of a step as it is', free ? [free] : []],
    ['All of them', all ? [all] : []],
  ]
  const line = ({ change, peak, reserved }: Remedy) => {
    const fits = reserved <= capacity
    return `  ${formatBytes(peak).padStart(8)}  ${style(fits ? 'green' : 'red', fits ? 'fits' : '    ')}  ${change}`
  }
  const tables = groups
    .filter(([, remedies]) => remedies.length > 0)
    .map(([title, remedies]) => `\n${title}:\n${remedies.map(line).join('\n')}\n`)
  return tables.join('') + (useless.length > 0 ? `\nNo help: ${useless.join(' ')}\n` : '')
}
