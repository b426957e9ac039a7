/** What methods sample from besides the rows' own prompts: changed images are images of their own for the vision tower. */

import { stagesOf } from '../config/methods.ts'
import type { Config } from '../config/schema.ts'
import type { Prompt } from '../core/types.ts'
import { ComposedStages, type NamedStages } from '../methods/index.ts'
import { type MethodStages, stageOf } from '../trainer/method_stages.ts'
import type { Example } from '../trainer/sft.ts'

const changing = ({ methods }: Config): NamedStages[] =>
  stagesOf(methods).flatMap(({ name, stages }) =>
    stages.augmentRollout ? [{ name, stages: { augmentRollout: stages.augmentRollout } }] : [],
  )

/** Whether a method samples from images that the rows do not have. */
export const changesImages = (config: Config): boolean => changing(config).length > 0

/**
 * The sampling of the planned step, `null` when no method changes it. A changed image has the size of its own and a key that no
 * other has. What methods do to rewards and groups is left out: it could leave completions out, and a plan counts them all.
 */
export function sampledVariants(config: Config, examples: readonly Example[]): MethodStages | null {
  if (config.algorithm.trainer === 'sft' || !changesImages(config)) return null
  const { maxNewTokens, groupSize } = config.rollout
  const place = { step: 0, steps: config.train.steps, epoch: 0, maxNewTokens, groupSize }
  const prompts = new Map(examples.map(({ prompt }) => [prompt.row, prompt]))
  return {
    stages: new ComposedStages(changing(config)),
    stage: stageOf(place, config.seed),
    encode: () => [],
    render: async (row) => withOtherImages(prompts.get(row)!),
  }
}

function withOtherImages(prompt: Prompt): Prompt {
  return { ...prompt, images: prompt.images.map((image) => ({ ...image, key: `${image.key} changed` })) }
}
