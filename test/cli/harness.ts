/** Runs command lines inside the test, with everything they print captured. */
import { EventEmitter } from 'node:events'
import { run } from '../../src/cli/program.ts'

export interface Outcome {
  code: number
  stdout: string
  stderr: string
}

export interface RunOptions {
  stdin?: string
  isTTY?: boolean
  environment?: NodeJS.ProcessEnv
  signals?: EventEmitter
  onExit?: (code: number) => void
}

export async function rft(argv: string[], options: RunOptions = {}): Promise<Outcome> {
  let stdout = ''
  let stderr = ''
  const { stdin = '', isTTY = false, environment = {}, signals = new EventEmitter(), onExit = () => {} } = options
  const code = await run(argv, {
    stdout: { write: (text) => (stdout += text), isTTY, columns: 120 },
    stderr: { write: (text) => (stderr += text), isTTY: false },
    stdin: (async function* () {
      yield Buffer.from(stdin)
    })(),
    environment,
    signals,
    exit: onExit,
  })
  return { code, stdout, stderr }
}
