/** Saving in the background: a step waits for the snapshot only, and for the save before it when that is still going. */

import { pruneCheckpoints } from '../checkpoint/retention.ts'
import { type CheckpointContent, takeSnapshot } from '../checkpoint/run_checkpoint.ts'

export interface SaverOptions {
  /** Let the run go on while the disk writes. */
  async: boolean
  /** Checkpoints kept besides the best one. */
  keepLast: number
  /** Told the folder of each checkpoint once it is there. */
  saved(path: string): void
}

export class Saver {
  private pending: Promise<void> = Promise.resolve()
  private failure: { error: unknown } | null = null

  constructor(
    private readonly runDir: string,
    private readonly options: SaverOptions,
  ) {}

  /** @throws when this save or the one before it failed. */
  async save(content: CheckpointContent): Promise<void> {
    await this.settle()
    const snapshot = await takeSnapshot(this.runDir, content)
    this.pending = this.finish(snapshot.publish(), content.state.best?.step ?? null)
    if (!this.options.async) await this.settle()
  }

  /** Waits until nothing is being written. @throws when the last save failed. */
  async settle(): Promise<void> {
    await this.pending
    this.check()
  }

  /** @throws when a save in the background failed since the last call. */
  check(): void {
    const { failure } = this
    this.failure = null
    if (failure) throw failure.error
  }

  private async finish(published: Promise<string>, best: number | null): Promise<void> {
    try {
      const path = await published
      await pruneCheckpoints(this.runDir, this.options.keepLast, best)
      this.options.saved(path)
    } catch (error) {
      this.failure = { error }
    }
  }
}
