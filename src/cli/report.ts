/** `rft report`: draws the page about a run again, also while it goes on. */
import { stat } from 'node:fs/promises'
import type { Command } from 'commander'
import { InputError } from '../core/errors.ts'
import type { Context } from './program.ts'

export function addReport(program: Command, context: Context): void {
  program
    .command('report <run>')
    .description('write report.html from the files of a run folder')
    .addHelpText('after', '\nExample:\n  rft report runs/a')
    .action(async (run: string) => {
      const folder = await stat(run).catch(() => null)
      if (!folder?.isDirectory()) throw new InputError(run, 'a run folder', folder ? 'a file' : 'nothing')
      const { writeReport } = await import('../report/write.ts')
      context.io.stdout.write(`${await writeReport(run)}\n`)
    })
}
