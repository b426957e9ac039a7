/** `rft doctor`: the machine as rft sees it; the text that a bug report needs. */
import type { Command } from 'commander'
import type { Environment } from './environment.ts'
import { exitCodes } from './errors.ts'
import type { Context } from './program.ts'

export function addDoctor(program: Command, context: Context): void {
  program
    .command('doctor')
    .description('show what rft finds on this machine; paste it into bug reports')
    .option('--json', 'as JSON')
    .addHelpText('after', '\nEnds with 1 when the native addon does not load.')
    .action(async (options: { json?: boolean }) => {
      const { inspectEnvironment } = await import('./environment.ts')
      const found = await inspectEnvironment()
      context.io.stdout.write(options.json ? `${JSON.stringify(found, null, 2)}\n` : formatEnvironment(found))
      if (!found.native.loaded) context.exitCode = exitCodes.failed
    })
}

export function formatEnvironment({ package: version, node, os, cpu, memory, native, cuda }: Environment): string {
  const limit = memory.limit === null ? '' : `, limited to ${gib(memory.limit)}`
  const rows: [string, string][] = [
    ['rft', version],
    ['node', node],
    ['os', os],
    ['cpu', `${cpu.model}, ${cpu.cores} cores, ${cpu.available} available`],
    ['features', cpu.features.join(' ') || 'none that rft uses'],
    ['memory', `${gib(memory.total)}, ${gib(memory.free)} free${limit}`],
    [
      'native',
      native.loaded
        ? `${native.version}, ${native.isa}, ${native.threads} threads`
        : `not loaded: ${indent(native.reason)}`,
    ],
    ['cuda', cuda.available ? cuda.devices.map(deviceText).join('\n'.padEnd(11)) : `unavailable: ${cuda.reason}`],
  ]
  return rows.map(([name, text]) => `${name.padEnd(10)}${text}\n`).join('')
}

const deviceText = (device: Environment['cuda']['devices'][number]) =>
  `${device.name}, compute ${device.computeCapability}, ${gib(device.totalMemory)}`

const indent = (text: string) => text.replaceAll('\n', '\n'.padEnd(11))

const gib = (bytes: number) => `${(bytes / 2 ** 30).toFixed(1)} GiB`
