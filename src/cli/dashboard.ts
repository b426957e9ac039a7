/** `rft dashboard`: a live page about runs, for whoever started it. */
import { stat } from 'node:fs/promises'
import type { Command } from 'commander'
import { InputError } from '../core/errors.ts'
import { withInterrupts } from './interrupt.ts'
import { wholeNumber } from './options.ts'
import type { Context } from './program.ts'

export function addDashboard(program: Command, context: Context): void {
  program
    .command('dashboard <runs...>')
    .description('a live page about run folders, or folders of them: curves, completions, alarms, comparison')
    .option('-p, --port <n>', 'port of the loopback address; 0 = any free one', wholeNumber(), 0)
    .addHelpText(
      'after',
      `
Examples:
  rft dashboard runs/a
  rft dashboard runs
  rft dashboard runs/a runs/b --port 7860

Open the address it prints; the token in it is new every time. From another machine: ssh -L 7860:127.0.0.1:7860 HOST,
with --port 7860 here. Ends with Ctrl-C.`,
    )
    .action((runs: string[], { port }: { port: number }) =>
      withInterrupts(context.io, 'ending', async (stop) => {
        for (const run of runs) {
          const folder = await stat(run).catch(() => null)
          if (!folder?.isDirectory()) throw new InputError(run, 'a run folder', folder ? 'a file' : 'nothing')
        }
        const { openDashboard } = await import('../dashboard/server.ts')
        const dashboard = await openDashboard({ runs, port })
        context.io.stdout.write(`${dashboard.url}\n`)
        await new Promise((ended) => stop.addEventListener('abort', ended))
        await dashboard.close()
      }),
    )
}
