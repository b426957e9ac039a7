/** How a command ends: the exit codes, and what is said about an error. */
import { InputError } from '../core/errors.ts'

export const exitCodes = {
  ok: 0,
  /** Something broke that the user did not ask for. */
  failed: 1,
  /** The command line, the configuration, the data or a file is not as it should be. */
  usage: 2,
  /** SIGINT or SIGTERM; a training run has saved a checkpoint. */
  interrupted: 3,
  /** A second signal while a command was ending in good order. */
  killed: 130,
} as const

/** One line per problem, `error: ` in front; the stack as well with `--debug`. */
export function describeError(error: unknown, debug: boolean): string {
  const message = error instanceof Error ? error.message : String(error)
  const lines = message.split('\n').map((line) => (/^\s/.test(line) ? line : `error: ${line}`))
  if (debug && error instanceof Error) lines.push(stackOf(error))
  return `${lines.join('\n')}\n`
}

function stackOf(error: Error): string {
  const own = error.stack ?? ''
  return error.cause instanceof Error ? `${own}\ncaused by: ${stackOf(error.cause)}` : own
}

export function exitCodeOf(error: unknown): number {
  if (isAbort(error)) return exitCodes.interrupted
  return error instanceof InputError ? exitCodes.usage : exitCodes.failed
}

const isAbort = (error: unknown) => error instanceof Error && error.name === 'AbortError'
