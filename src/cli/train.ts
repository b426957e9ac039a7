/** `rft train`: one run from one configuration file. */
import { join } from 'node:path'
import { type Command, InvalidArgumentError } from 'commander'
import { formatDuration, formatPercent } from '../metrics/format.ts'
import type { TrainResult } from '../trainer/train.ts'
import { exitCodes } from './errors.ts'
import { withInterrupts } from './interrupt.ts'
import { assign, collect, wholeNumber } from './options.ts'
import type { Context } from './program.ts'

interface TrainFlags {
  set?: string[]
  seed?: number
  steps?: number
  resume?: true | 'auto'
}

export function addTrain(program: Command, context: Context): void {
  program
    .command('train <config>')
    .description('train a model as a configuration file says; writes metrics, checkpoints and report.html')
    .option('-s, --set <key=value>', 'override a setting, e.g. optimizer.lr=1e-5; repeatable', collect)
    .option('--seed <n>', 'same as --set seed=<n>', wholeNumber())
    .option('--steps <n>', 'same as --set train.steps=<n>', wholeNumber(1))
    .option(
      '--resume [auto]',
      'continue from the newest sound checkpoint of the run folder; start if there is none',
      auto,
    )
    .addHelpText(
      'after',
      `
Examples:
  rft train train.yaml
  rft train train.yaml --set run.dir=runs/b --set optimizer.lr=1e-5 --seed 1
  rft train train.yaml --resume

The first SIGINT or SIGTERM finishes the step in progress (for up to checkpoint.graceSeconds), saves a checkpoint and
ends with 3; the second ends at once with 130. Either way --resume goes on, with the same bits.`,
    )
    .action((file: string, flags: TrainFlags) =>
      withInterrupts(context.io, 'finishing the step in progress and saving', (stop) =>
        runTraining(file, flags, context, stop),
      ),
    )
}

function auto(text: string): 'auto' {
  if (text !== 'auto') throw new InvalidArgumentError('Expected auto or nothing; put --resume behind the file.')
  return text
}

async function runTraining(file: string, flags: TrainFlags, context: Context, stop: AbortSignal): Promise<void> {
  const { io } = context
  const { loadConfig } = await import('../config/load.ts')
  const overrides = [...(flags.set ?? []), ...assign('seed', flags.seed), ...assign('train.steps', flags.steps)]
  const { config } = await loadConfig(file, overrides)
  const { train } = await import('../trainer/train.ts')
  const { consoleSink } = await import('../metrics/console.ts')
  const sink = consoleSink({ total: config.train.steps, output: io.stdout, environment: io.environment })
  const result = await train(config, { resume: flags.resume !== undefined, sinks: [sink], stop })
  io.stdout.write(closingLines(result, config.run.dir))
  if (result.stopped) context.exitCode = exitCodes.interrupted
}

function closingLines(result: TrainResult, runDir: string): string {
  const { state, seconds, firstEvaluation, lastEvaluation } = result
  const shares = [firstEvaluation, lastEvaluation].flatMap((one) => (one?.accuracy == null ? [] : [one.accuracy]))
  const accuracy = [...new Set(shares)].map(formatPercent).join(' -> ')
  return [
    `${result.stopped ? 'stopped' : 'done'} at step ${state.step} after ${formatDuration(seconds)}`,
    ...(accuracy === '' ? [] : [`held-out accuracy ${accuracy}`]),
    `checkpoint ${result.checkpoint}`,
    `report     ${join(runDir, 'report.html')}`,
    ...(result.stopped ? ['continue with --resume'] : []),
    '',
  ].join('\n')
}
