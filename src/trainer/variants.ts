/**
 * Completions of a prompt from several variants of it: all belong to one group, and the update sees the prompt as it is.
 *
 *   prompt -> [clean x 4] [noisy x 4]  ->  one group of 8, tags clean.. noisy..
 */

import type { Prompt } from '../core/types.ts'
import type { Variant } from '../methods/index.ts'
import { type CollectOptions, collect, type Generator, type Sampled } from '../rollout/collect.ts'
import type { MethodStages } from './method_stages.ts'

/** One way of sampling some of the prompts. */
interface Round {
  readonly tag: string
  readonly samples: number
  readonly parts: { readonly index: number; readonly variant: Variant }[]
}

/**
 * @param options `first` = prompts that the step has sampled before these
 * @throws the signal's reason when aborted.
 */
export async function collectVariants(
  generator: Generator,
  prompts: readonly Prompt[],
  methods: MethodStages,
  options: Omit<CollectOptions, 'samples'>,
  signal?: AbortSignal,
): Promise<Sampled[]> {
  const { groupSize } = methods.stage
  const rounds = planRounds(prompts, methods)
  const out: Sampled[] = prompts.map((prompt) => ({ prompt, completions: [], tags: [] }))
  // Streams of a step are handed out one after the other, so that no two completions share one.
  let streams = (options.first ?? 0) * groupSize
  for (const { tag, samples, parts } of rounds) {
    const sampledFrom = await Promise.all(
      parts.map(({ index, variant }) => promptOf(prompts[index]!, variant, methods)),
    )
    const first = Math.ceil(streams / samples)
    const sampled = await collect(generator, sampledFrom, { ...options, samples, first }, { signal })
    streams = (first + parts.length) * samples
    for (const [k, { index, variant }] of parts.entries()) {
      out[index]!.completions.push(...sampled[k]!.completions)
      out[index]!.tags!.push(...sampled[k]!.completions.map(() => tag))
      if (variant.transform) out[index]!.rescore = true
    }
  }
  return out
}

function planRounds(prompts: readonly Prompt[], { stages, stage }: MethodStages): Round[] {
  const rounds = new Map<string, Round>()
  for (const [index, { row }] of prompts.entries())
    for (const variant of stages.variants(row, stage)) {
      const key = `${variant.tag} ${variant.samples}`
      const round = rounds.get(key) ?? { tag: variant.tag, samples: variant.samples, parts: [] }
      round.parts.push({ index, variant })
      rounds.set(key, round)
    }
  return [...rounds.values()]
}

async function promptOf(prompt: Prompt, { transform }: Variant, { render }: MethodStages): Promise<Prompt> {
  if (!transform) return prompt
  return render(prompt.row, (image, index) => transform(image, index))
}
