/**
 * How hard a row is for a model: how often its samples are right, and how many rounds of tree search it takes to the first
 * right answer (ThinkLite-VL).
 */

import type { Completion, Group, Prompt } from '../core/types.ts'
import { type Solver, searchDifficulty, type TreeSearch } from '../methods/tree_search.ts'
import type { Generated, GenerateOptions, GenerateRequest } from '../native/types.ts'
import { type CollectOptions, collect, type Generator } from '../rollout/collect.ts'
import { visionInput } from '../rollout/images.ts'
import { judge } from '../rollout/judge.ts'
import type { RewardRunner } from '../rollout/reward_runner.ts'
import { extend } from '../trainer/continuations.ts'

export interface DifficultyOptions {
  policy: Generator
  rewards: RewardRunner
  /** The reward that says what is right: anything above a half. */
  rightBy: string
  /** For a search `stopStrings` are what ends a step. */
  sampling: Omit<CollectOptions, 'step' | 'samples'>
  signal?: AbortSignal
}

/** A prompt with its place among the rows, from which its random numbers follow. */
export interface Placed {
  readonly index: number
  readonly prompt: Prompt
}

/** Judged samples of prompts that stand one behind the other. */
export async function sampleRows(placed: readonly Placed[], samples: number, options: DifficultyOptions) {
  const { policy, rewards, sampling, signal } = options
  const prompts = placed.map(({ prompt }) => prompt)
  const place = { step: 0, first: placed[0]?.index ?? 0 }
  const sampled = await collect(policy, prompts, { ...sampling, samples, ...place }, { signal })
  return (await judge(rewards, sampled, signal)).groups
}

/** The share of right ones among the completions of a group. */
export function passRate({ rewardParts, completions }: Group, rightBy: string): number {
  const scores = rewardParts[rightBy] ?? []
  return scores.filter((score) => (score ?? 0) > 0.5).length / completions.length
}

/** Streams of random numbers that one row may use. */
const STREAMS_PER_ROW = 2 ** 20

/**
 * Searches rows side by side, `together` at once; what their searches ask of the policy at the same time is one call.
 *
 * @param found told the rounds of each row as it is done, `null` = unsolved
 * @throws the signal's reason when aborted.
 */
export async function searchRows(
  rows: AsyncIterable<Placed>,
  search: TreeSearch,
  together: number,
  options: DifficultyOptions,
  found: (row: Placed, rounds: number | null) => Promise<void>,
): Promise<void> {
  const { policy, sampling, signal } = options
  const { merge: _merge, decode: _decode, ...generate } = sampling
  const calls = new JoinedCalls((requests) => policy.generate(requests, generate as GenerateOptions, { signal }))
  const source = rows[Symbol.asyncIterator]()
  const work = async () => {
    try {
      for (let next = await source.next(); !next.done; next = await source.next()) {
        const solver = new TextSolver(next.value, calls, options)
        await found(next.value, await searchDifficulty({ tokens: new Int32Array(), ended: false }, solver, search))
      }
    } finally {
      calls.leave()
    }
  }
  const workers = Array.from({ length: together }, () => {
    calls.join()
    return work()
  })
  await Promise.all(workers)
}

interface Partial {
  readonly tokens: Int32Array
  readonly ended: boolean
}

/** Partial completions of one prompt, a step longer each time. */
class TextSolver implements Solver<Partial> {
  private streams: number

  constructor(
    private readonly row: Placed,
    private readonly calls: JoinedCalls,
    private readonly options: DifficultyOptions,
  ) {
    this.streams = row.index * STREAMS_PER_ROW
  }

  async expand(state: Partial, count: number): Promise<Partial[]> {
    const { sampling } = this.options
    if (state.ended) return []
    const prompt = extend(this.row.prompt, state.tokens)
    const { tokens, positionIds, nextPosition } = prompt
    const stream = this.streams
    this.streams += count
    const vision = visionInput(prompt, sampling.merge)
    const generated = await this.calls.generate({ tokens, positionIds, vision, nextPosition, samples: count, stream })
    return generated.map((next) => {
      const all = Int32Array.from([...state.tokens, ...next.tokens])
      return { tokens: all, ended: next.finish !== 'stop' || all.length >= sampling.maxNewTokens }
    })
  }

  async judge({ tokens, ended }: Partial): Promise<boolean | null> {
    if (!ended) return null
    const { rewards, rightBy, sampling, signal } = this.options
    const column = new Float32Array(tokens.length)
    const completion: Completion = {
      ...{ tokens, logp: column, entropy: column, text: sampling.decode(tokens), finish: 'eos' },
    }
    const { groups } = await judge(rewards, [{ prompt: this.row.prompt, completions: [completion] }], signal)
    return passRate(groups[0]!, rightBy) === 1
  }
}

interface Waiting {
  readonly request: GenerateRequest
  readonly done: (generated: Generated[]) => void
  readonly failed: (reason: unknown) => void
}

/** Holds requests until everybody who may make one has made it, and answers them with one call. */
class JoinedCalls {
  private waiting: Waiting[] = []
  private members = 0

  constructor(private readonly call: (requests: GenerateRequest[]) => Promise<Generated[]>) {}

  join(): void {
    this.members++
  }

  leave(): void {
    this.members--
    this.flush()
  }

  generate(request: GenerateRequest): Promise<Generated[]> {
    return new Promise((done, failed) => {
      this.waiting.push({ request, done, failed })
      this.flush()
    })
  }

  private flush(): void {
    if (this.waiting.length === 0 || this.waiting.length < this.members) return
    const ready = this.waiting.splice(0)
    this.call(ready.map(({ request }) => request)).then(
      (all) => {
        for (const [k, { done }] of ready.entries()) done(all.filter(({ request }) => request === k))
      },
      (reason) => {
        for (const { failed } of ready) failed(reason)
      },
    )
  }
}
