/** `rft quickstart`: from nothing to a trained vision-language model in a few minutes. */
import { join } from 'node:path'
import type { Command } from 'commander'
import { exitCodes } from './errors.ts'
import { withInterrupts } from './interrupt.ts'
import { wholeNumber } from './options.ts'
import type { Context } from './program.ts'

interface Flags {
  dir: string
  seed: number
  steps?: number
  threads: number
}

export function addQuickstart(program: Command, context: Context): void {
  program
    .command('quickstart')
    .description('train a tiny vision-language model by reinforcement, from drawing its data to the report')
    .option('--seed <n>', 'seed of data, weights and sampling', wholeNumber(), 0)
    .option('--steps <n>', 'steps of reinforcement', wholeNumber(1))
    .option('--dir <folder>', 'folder of the run; an earlier quickstart there is replaced', join('runs', 'quickstart'))
    .option('--threads <n>', '0 = all cores', wholeNumber(), 0)
    .addHelpText('after', '\nExample:\n  rft quickstart --seed 1 --dir runs/quickstart-1')
    .action((flags: Flags) =>
      withInterrupts(context.io, 'finishing the step in progress', (stop) => run(flags, stop, context)),
    )
}

async function run(flags: Flags, stop: AbortSignal, context: Context): Promise<void> {
  const { stdout, environment } = context.io
  const { consoleSink } = await import('../metrics/console.ts')
  const { quickstart } = await import('../quickstart/pipeline.ts')
  const { defaultSteps } = await import('../quickstart/settings.ts')
  const { closingTable } = await import('../quickstart/table.ts')
  const report = await quickstart(
    { ...flags, steps: flags.steps ?? defaultSteps },
    {
      stop,
      headline: (text) => stdout.write(`\n${text}\n`),
      progress: ({ train }) => consoleSink({ total: train.steps, output: stdout, environment }),
    },
  )
  if (!report) {
    context.exitCode = exitCodes.interrupted
    return
  }
  stdout.write(`\n${closingTable(report)}\nreport: ${join(flags.dir, 'report.html')}\n`)
}
