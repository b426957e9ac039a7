/** `rft experiment`: a question answered by a few small runs, on one page. */
import { join } from 'node:path'
import { Argument, type Command } from 'commander'
import { exitCodes } from './errors.ts'
import { withInterrupts } from './interrupt.ts'
import { wholeNumber } from './options.ts'
import type { Context } from './program.ts'

interface Flags {
  dir: string
  seed: number
  steps?: number
  threads: number
  fresh?: boolean
}

export function addExperiment(program: Command, context: Context): void {
  program
    .command('experiment')
    .description('answer a question by a few small runs of the quickstart’s model, on one page; without a name: list')
    .addArgument(new Argument('[name]', 'one of the list'))
    .option('--dir <folder>', 'folder of all experiments, which share data and warm start', join('runs', 'experiments'))
    .option('--seed <n>', 'seed of data, weights and sampling', wholeNumber(), 0)
    .option('--steps <n>', 'steps of each run; default: as the experiment says', wholeNumber(1))
    .option('--threads <n>', '0 = all cores', wholeNumber(), 0)
    .option('--fresh', 'run again what is finished')
    .addHelpText(
      'after',
      `
Examples:
  rft experiment
  rft experiment grpo-vs-ppo
  rft experiment grpo-vs-ppo --seed 1 --steps 40 --dir runs/short
  rft dashboard runs/experiments/grpo-vs-ppo-0

Each run is a run folder like those of rft train. SIGINT finishes the step in progress and saves; the same command goes
on from there. The first experiment of a seed also draws the data and warms the model up.`,
    )
    .action((name: string | undefined, flags: Flags) =>
      name === undefined ? list(context) : run(name, flags, context),
    )
}

async function list({ io }: Context): Promise<void> {
  const { experiments } = await import('../experiments/index.ts')
  const width = Math.max(...experiments.map(({ name }) => name.length))
  for (const { name, question } of experiments) io.stdout.write(`${name.padEnd(width)}  ${question}\n`)
}

async function run(name: string, flags: Flags, context: Context): Promise<void> {
  const { stdout, environment } = context.io
  const { findExperiment } = await import('../experiments/index.ts')
  const { runExperiment } = await import('../experiments/run.ts')
  const { consoleSink } = await import('../metrics/console.ts')
  const experiment = findExperiment(name)
  await withInterrupts(context.io, 'finishing the step in progress and saving', async (stop) => {
    const report = await runExperiment(experiment, flags, {
      stop,
      headline: (text) => stdout.write(`\n${text}\n`),
      progress: ({ train }) => consoleSink({ total: train.steps, output: stdout, environment }),
    })
    if (report) stdout.write(`\n${report.answer}\npage: ${report.page}\n`)
    else {
      stdout.write('stopped; the same command goes on from here\n')
      context.exitCode = exitCodes.interrupted
    }
  })
}
