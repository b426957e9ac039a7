/** Prompts -> sampled completions, ready for the reward functions. */

import type { Completion, Prompt } from '../core/types.ts'
import type { Generated, GenerateOptions, GenerateProgress, GenerateRequest } from '../native/types.ts'
import { visionInput } from './images.ts'

/** What sampling needs of a model. */
export interface Generator {
  generate(
    requests: GenerateRequest[],
    options: GenerateOptions,
    hooks?: { signal?: AbortSignal; onProgress?: (progress: GenerateProgress) => void },
  ): Promise<Generated[]>
}

export interface CollectOptions extends GenerateOptions {
  /** Completions per prompt. */
  samples: number
  /** Step of the run: each step draws from streams of its own. */
  step: number
  /** Prompts that the step has sampled before these; each has streams of its own. */
  first?: number
  /** Side of the vision tower's merge block. */
  merge: number
  /** Token ids -> text without special tokens. */
  decode: (tokens: Int32Array) => string
}

/** A prompt with its completions, not yet judged. */
export interface Sampled {
  prompt: Prompt
  completions: Completion[]
  /** As in `Group`. */
  tags?: string[]
  rescore?: boolean
}

/** Streams reserved for the samples of one step. */
export const STREAMS_PER_STEP = 2 ** 20

/**
 * Draws `samples` completions for each prompt. A completion depends on the weights, the seed, the step and its place
 * (prompt index, sample index) only, so a resumed run draws what the uninterrupted one would have drawn.
 *
 * @throws the signal's reason when aborted.
 */
export async function collect(
  generator: Generator,
  prompts: readonly Prompt[],
  options: CollectOptions,
  hooks: { signal?: AbortSignal; onProgress?: (progress: GenerateProgress) => void } = {},
): Promise<Sampled[]> {
  const { samples, step, first = 0, merge, decode, ...generate } = options
  const requests = prompts.map((prompt, index) => ({
    tokens: prompt.tokens,
    positionIds: prompt.positionIds,
    vision: visionInput(prompt, merge),
    nextPosition: prompt.nextPosition,
    samples,
    stream: step * STREAMS_PER_STEP + (first + index) * samples,
  }))
  const out: Sampled[] = prompts.map((prompt) => ({ prompt, completions: [] }))
  if (requests.length === 0) return out
  const generated = await generator.generate(requests, generate, hooks)
  hooks.signal?.throwIfAborted()
  for (const { request, sample, tokens, logp, entropy, finish } of generated)
    out[request]!.completions[sample] = { tokens, logp, entropy, finish, text: decode(tokens) }
  return out
}
