/**
 * New lines of a growing JSON-lines file. A run that is resumed or goes back rewrites its files; then everything is read
 * again. A line that is not complete yet, or torn by a kill, waits or is left out.
 */
import { open, stat } from 'node:fs/promises'

export interface TailUpdate<T> {
  /** Forget what came before. */
  reset: boolean
  lines: T[]
}

/** At most this much is read in one go. */
const MAX_READ = 64 * 2 ** 20

export class Tail<T> {
  /** When the file was last written, in milliseconds. */
  modified = 0
  private at = 0
  private identity = ''
  private rest: Buffer = Buffer.alloc(0)

  constructor(private readonly file: string) {}

  /** What was appended since the last call; `null` for nothing. */
  async poll(): Promise<TailUpdate<T> | null> {
    const info = await stat(this.file).catch(() => null)
    if (!info) return this.forget()
    this.modified = info.mtimeMs
    const identity = `${info.dev} ${info.ino}`
    const reset = identity !== this.identity || info.size < this.at
    if (reset) {
      this.at = 0
      this.rest = Buffer.alloc(0)
    }
    const first = this.identity === ''
    this.identity = identity
    if (info.size === this.at) return reset && !first ? { reset, lines: [] } : null
    const lines = await this.read(Math.min(info.size - this.at, MAX_READ))
    return reset || lines.length > 0 ? { reset, lines } : null
  }

  private forget(): TailUpdate<T> | null {
    if (this.identity === '') return null
    this.identity = ''
    this.at = 0
    this.rest = Buffer.alloc(0)
    return { reset: true, lines: [] }
  }

  private async read(count: number): Promise<T[]> {
    const handle = await open(this.file, 'r')
    try {
      const buffer = Buffer.alloc(count)
      const { bytesRead } = await handle.read(buffer, 0, count, this.at)
      this.at += bytesRead
      const all = Buffer.concat([this.rest, buffer.subarray(0, bytesRead)])
      const end = all.lastIndexOf(10) + 1
      this.rest = Buffer.from(all.subarray(end))
      return all
        .subarray(0, end)
        .toString('utf8')
        .split('\n')
        .flatMap(parse<T>)
    } finally {
      await handle.close()
    }
  }
}

function parse<T>(line: string): T[] {
  try {
    const value: unknown = JSON.parse(line)
    return typeof value === 'object' && value !== null && 'step' in value && Number.isFinite(value.step)
      ? [value as T]
      : []
  } catch {
    return []
  }
}
