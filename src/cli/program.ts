/**
 * The command line. Every command is one file that adds itself here; what a command needs is loaded when it runs, so
 * that `rft --help` is quick and `rft doctor` works where nothing else does.
 */
import { Command, CommanderError } from 'commander'
import { addBuild } from './build.ts'
import { addConfig } from './config.ts'
import { addDashboard } from './dashboard.ts'
import { addData } from './data.ts'
import { addDoctor } from './doctor.ts'
import { describeError, exitCodeOf, exitCodes } from './errors.ts'
import { addEval } from './eval.ts'
import { addExperiment } from './experiment.ts'
import { addFilter } from './filter.ts'
import { addGenerate } from './generate.ts'
import type { Io } from './io.ts'
import { addMerge } from './merge.ts'
import { addPlan } from './plan.ts'
import { addQuickstart } from './quickstart.ts'
import { addReport } from './report.ts'
import { addScore } from './score.ts'
import { addTrain } from './train.ts'
import { packageVersion } from './version.ts'

/** What a command gets besides its options. */
export interface Context {
  io: Io
  /** Set by commands that end with something other than 0. */
  exitCode: number
}

const commands = [
  addQuickstart,
  addExperiment,
  addPlan,
  addTrain,
  addEval,
  addGenerate,
  addScore,
  addFilter,
  addMerge,
  addData,
  addDashboard,
  addReport,
  addConfig,
  addDoctor,
  addBuild,
]

/**
 * Runs one command line.
 * @param argv without `node` and the script
 * @returns the exit code; see `exitCodes`
 * @example await run(['config', 'explain', 'rollout.groupSize'], processIo)
 */
export async function run(argv: readonly string[], io: Io): Promise<number> {
  const context: Context = { io, exitCode: exitCodes.ok }
  const program = createProgram(context)
  if (argv.length === 0) {
    program.outputHelp()
    return exitCodes.ok
  }
  try {
    await program.parseAsync(argv, { from: 'user' })
    return context.exitCode
  } catch (error) {
    // commander has already said what is wrong
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage
    io.stderr.write(describeError(error, program.opts<{ debug?: boolean }>().debug === true))
    return exitCodeOf(error)
  }
}

function createProgram(context: Context): Command {
  const { stdout, stderr } = context.io
  const program = new Command('rft')
    .description('Reinforcement fine-tuning of multimodal language models.')
    .version(packageVersion(), '-v, --version')
    .option('--debug', 'show where errors come from')
    .showHelpAfterError('(add --help for usage)')
    .exitOverride()
    .configureOutput({
      writeOut: (text) => stdout.write(text),
      writeErr: (text) => stderr.write(text),
      getOutHelpWidth: () => stdout.columns ?? 100,
      getErrHelpWidth: () => stderr.columns ?? 100,
    })
    .addHelpText(
      'after',
      '\nExit codes: 0 done, 1 failed, 2 wrong usage or input, 3 interrupted, 130 interrupted twice.',
    )
  for (const add of commands) add(program, context)
  return program
}
