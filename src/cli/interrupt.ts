/** SIGINT and SIGTERM: the first asks a command to finish in good order, the second ends the process. */
import { exitCodes } from './errors.ts'
import type { Io } from './io.ts'

/**
 * Runs `body` with a signal that the first interrupt aborts.
 * @param announcement what the first interrupt prints, e.g. `finishing the step in progress`
 */
export async function withInterrupts<T>(io: Io, announcement: string, body: (signal: AbortSignal) => Promise<T>) {
  const controller = new AbortController()
  const onSignal = () => {
    if (controller.signal.aborted) return io.exit(exitCodes.killed)
    io.stderr.write(`\n${announcement}; interrupt again to stop at once\n`)
    controller.abort()
  }
  io.signals.on('SIGINT', onSignal)
  io.signals.on('SIGTERM', onSignal)
  try {
    return await body(controller.signal)
  } finally {
    io.signals.off('SIGINT', onSignal)
    io.signals.off('SIGTERM', onSignal)
  }
}
