/** The runs that are shown, polled while somebody looks, and the pages that listen. */
import { existsSync, readdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { resolvedConfigName } from '../config/load.ts'
import { metricsFileName } from '../metrics/jsonl.ts'
import { RunFiles, type RunUpdate } from './run_files.ts'

const POLL_MS = 1000

export type Listener = (update: RunUpdate) => void

export class Hub {
  private readonly runs = new Map<string, RunFiles>()
  private readonly listeners = new Set<Listener>()
  private polling: Promise<void> | null = null
  private readonly timer: NodeJS.Timeout

  /** @param folders run folders, or folders of run folders, whose new ones are found as they appear. */
  constructor(private readonly folders: readonly string[]) {
    this.timer = setInterval(() => void this.poll(), POLL_MS)
  }

  run(id: string): RunFiles | undefined {
    return this.runs.get(id)
  }

  /** Sends what is known, then what is new. @returns what ends it. */
  async listen(listener: Listener): Promise<() => void> {
    await this.poll()
    for (const run of this.runs.values()) listener(run.snapshot())
    this.listeners.add(listener)
    return () => this.listeners.delete(listener)
  }

  /** One poll at a time; a second caller waits for the one that is going on. */
  poll(): Promise<void> {
    this.polling ??= this.pollOnce().finally(() => {
      this.polling = null
    })
    return this.polling
  }

  close(): void {
    clearInterval(this.timer)
    this.listeners.clear()
  }

  private async pollOnce(): Promise<void> {
    for (const dir of this.folders.flatMap(runFolders))
      if (![...this.runs.values()].some((run) => run.dir === dir)) {
        const id = String(this.runs.size)
        this.runs.set(id, new RunFiles(id, dir))
      }
    for (const run of this.runs.values()) {
      const update = await run.poll()
      if (update) for (const listener of this.listeners) listener(update)
    }
  }
}

const isRun = (dir: string) => [metricsFileName, resolvedConfigName].some((name) => existsSync(join(dir, name)))

/** The folder itself when it is a run, else the runs in it. */
export function runFolders(folder: string): string[] {
  const dir = resolve(folder)
  if (isRun(dir) || !existsSync(dir)) return [dir]
  const inside = readdirSync(dir, { withFileTypes: true }).filter((entry) => entry.isDirectory())
  return inside
    .map(({ name }) => join(dir, name))
    .filter(isRun)
    .sort()
}
