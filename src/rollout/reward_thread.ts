/** A thread that has loaded one reward file: it can be given work, watched, and ended whatever it is doing. */
import { basename, extname } from 'node:path'
import { pathToFileURL } from 'node:url'
import { Worker } from 'node:worker_threads'
import { InputError } from '../core/errors.ts'
import { rewardWorkerProgram, type WorkerEvent, type WorkerTask } from './reward_worker.ts'

/** Loading a module may take longer than scoring with it. */
const loadSeconds = 20
const largestHeapMb = 1024

/** How a piece of work ended. `silent`: nothing was heard for the time-out. */
export type RunEnd = { kind: 'done' } | { kind: 'silent' } | { kind: 'ended'; message: string }

interface Run {
  heard(event: WorkerEvent): boolean
  end(end: RunEnd): void
  timer: NodeJS.Timeout
  /** Events so far. */
  events: number
}

/** Its listeners stay for life: a Worker whose last `message` listener is removed stops delivering. */
export class RewardThread {
  name = ''
  readonly #worker: Worker
  #run: Run | null = null
  #alive = true

  private constructor(worker: Worker) {
    this.#worker = worker
    worker.on('message', (event: WorkerEvent) => this.#hear(event))
    worker.on('error', (error) => this.#stop({ kind: 'ended', message: error.message }))
    worker.on('exit', (code) => this.#stop({ kind: 'ended', message: `the reward's thread ended with code ${code}` }))
  }

  /** @throws InputError when the module does not load within 20 s or exports no reward. */
  static async open(path: string): Promise<RewardThread> {
    const worker = new Worker(rewardWorkerProgram, {
      eval: true,
      workerData: { url: pathToFileURL(path).href, name: basename(path, extname(path)) },
      resourceLimits: { maxOldGenerationSizeMb: largestHeapMb },
    })
    const thread = new RewardThread(worker)
    let problem = `nothing within ${loadSeconds} s`
    const end = await thread.#watch(([kind, text]) => {
      if (kind === 'ready') thread.name = text
      else problem = String(text)
      return true
    }, loadSeconds * 1000)
    if (thread.name !== '') return thread
    thread.end()
    if (end.kind === 'ended') problem = end.message
    const remedy = 'Write: export default defineReward({ name, score })'
    throw new InputError(`reward ${path}`, 'a module whose default export is a reward', problem, remedy)
  }

  get alive(): boolean {
    return this.#alive
  }

  /**
   * Hands over one piece of work; `heard` says true when it is complete. Ends silent after `silenceMs` without an event.
   * A thread that did not end `done` is dead. Rejects with the signal's reason when aborted.
   */
  async run(task: WorkerTask, heard: Run['heard'], silenceMs: number, signal?: AbortSignal): Promise<RunEnd> {
    const onAbort = () => this.#stop({ kind: 'silent' })
    signal?.addEventListener('abort', onAbort, { once: true })
    const watched = this.#watch(heard, silenceMs)
    try {
      this.#worker.postMessage(task)
    } catch (error) {
      this.#stop({ kind: 'ended', message: (error as Error).message })
    }
    const end = await watched
    signal?.removeEventListener('abort', onAbort)
    signal?.throwIfAborted()
    return end
  }

  end(): void {
    this.#stop({ kind: 'ended', message: 'disposed' })
  }

  #watch(heard: Run['heard'], silenceMs: number): Promise<RunEnd> {
    this.#worker.ref()
    return new Promise((end) => {
      this.#run = { heard, end, events: 0, timer: setTimeout(() => this.#suspect(), silenceMs) }
    })
  }

  #hear(event: WorkerEvent): void {
    const run = this.#run
    if (!run) return
    run.events++
    run.timer.refresh()
    if (run.heard(event)) this.#settle({ kind: 'done' })
  }

  /** The timer can run before messages that are already here: let those in, then look again. */
  #suspect(): void {
    const run = this.#run
    const events = run?.events
    setImmediate(() =>
      setImmediate(() => run && run === this.#run && run.events === events && this.#stop({ kind: 'silent' })),
    )
  }

  #stop(end: RunEnd): void {
    this.#alive = false
    void this.#worker.terminate()
    this.#settle(end)
  }

  #settle(end: RunEnd): void {
    const run = this.#run
    this.#run = null
    if (!run) return
    clearTimeout(run.timer)
    if (this.#alive) this.#worker.unref()
    run.end(end)
  }
}
