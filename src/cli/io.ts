/** What a command reads from and writes to. Tests hand in their own. */
import type { EventEmitter } from 'node:events'
import type { Output } from '../metrics/style.ts'

export interface Io {
  stdout: Output
  stderr: Output
  stdin: AsyncIterable<Uint8Array | string>
  environment: NodeJS.ProcessEnv
  /** Where SIGINT and SIGTERM arrive. */
  signals: Pick<EventEmitter, 'on' | 'off'>
  /** Ends the process at once. */
  exit(code: number): void
}

export const processIo: Io = {
  stdout: process.stdout,
  stderr: process.stderr,
  stdin: process.stdin,
  environment: process.env,
  signals: process,
  exit: (code) => process.exit(code),
}
