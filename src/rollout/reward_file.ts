/**
 * A reward file: runs in a thread of its own and outlives whatever its code does.
 *
 * A thread that stays silent for the time-out is ended and every call it had begun scores `null`; a thread that ends by
 * itself (process.exit, out of memory, an exception outside `score`) does so too. A new thread takes the rest. After
 * `patience` such ends in one batch the rest of the batch scores `null` as well, so that a batch costs at most
 * `patience` time-outs beyond the time its calls need.
 */
import { existsSync } from 'node:fs'
import { extname } from 'node:path'
import { InputError } from '../core/errors.ts'
import type { RewardInput } from '../rewards/define.ts'
import { Scores } from './reward_scores.ts'
import { RewardThread } from './reward_thread.ts'
import type { WorkerEvent } from './reward_worker.ts'

const patience = 4
const typescriptExtensions = new Set(['.ts', '.mts'])
const extensions = new Set(['.js', '.mjs', '.cjs', ...typescriptExtensions])

export class RewardFile {
  readonly #path: string
  readonly #timeoutMs: number
  #thread: RewardThread

  private constructor(path: string, timeoutMs: number, thread: RewardThread) {
    this.#path = path
    this.#timeoutMs = timeoutMs
    this.#thread = thread
  }

  /** @throws InputError when the file is missing, of another kind, does not load, or exports no reward. */
  static async open(path: string, timeoutMs: number): Promise<RewardFile> {
    requireLoadable(path)
    return new RewardFile(path, timeoutMs, await RewardThread.open(path))
  }

  get name(): string {
    return this.#thread.name
  }

  /** Never rejects because of what the reward does; rejects with the signal's reason when aborted. */
  async score(inputs: readonly RewardInput[], signal?: AbortSignal): Promise<Scores> {
    const scores = new Scores(inputs.length)
    for (let setbacks = 0; scores.pendingCount > 0; setbacks++) {
      signal?.throwIfAborted()
      const problem = await this.#attempt(inputs, scores, signal)
      if (problem !== null && setbacks + 1 === patience)
        for (const index of scores.pending()) scores.error(index, `not called after ${patience} failures: ${problem}`)
    }
    return scores
  }

  dispose(): void {
    this.#thread.end()
  }

  /** Scores what is pending. Null when all of it was; else why the thread is gone, with the guilty calls settled. */
  async #attempt(inputs: readonly RewardInput[], scores: Scores, signal?: AbortSignal): Promise<string | null> {
    try {
      if (!this.#thread.alive) this.#thread = await RewardThread.open(this.#path)
    } catch (error) {
      for (const index of scores.pending()) scores.error(index, (error as Error).message)
      return null
    }
    const indices = scores.pending()
    const begun = new Set<number>()
    const heard = (event: WorkerEvent) => {
      take(event, begun, scores)
      return scores.pendingCount === 0
    }
    const task = { indices, inputs: indices.map((index) => inputs[index]!) }
    const end = await this.#thread.run(task, heard, this.#timeoutMs, signal)
    if (end.kind === 'done') return null
    // A thread that went before any call began (a message that cannot be copied, say) would do so again.
    const guilty = begun.size > 0 ? begun : scores.pending()
    for (const index of guilty) {
      if (end.kind === 'silent') scores.timeout(index, this.#timeoutMs)
      else scores.error(index, end.message)
    }
    return scores.failures.lastMessage
  }
}

function take(event: WorkerEvent, begun: Set<number>, scores: Scores): void {
  if (event[0] === 'start') begun.add(event[1])
  else if (event[0] === 'done') {
    begun.delete(event[1])
    scores.value(event[1], event[2])
  } else if (event[0] === 'error') {
    begun.delete(event[1])
    scores.error(event[1], event[2])
  }
}

function requireLoadable(path: string): void {
  const where = `reward ${path}`
  if (!existsSync(path)) throw new InputError(where, 'an existing file', path, 'Check rewards[].file.')
  const extension = extname(path)
  if (!extensions.has(extension)) throw new InputError(where, 'a .js, .mjs, .cjs, .ts or .mts file', extension)
  const strips = (process.features as { typescript?: string | false }).typescript
  if (typescriptExtensions.has(extension) && !strips)
    throw new InputError(
      where,
      'a JavaScript file',
      extension,
      `Node ${process.versions.node} does not load TypeScript: use Node 22.18 or newer, or write the reward as .mjs`,
    )
}
