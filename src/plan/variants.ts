/**
 * What methods change about a planned step: images that are changed are images of their own for the vision tower, and limits of
 * length and group may differ from stage to stage.
 */

import { composeStages, stagesOf } from '../config/methods.ts'
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

/** Places of a run at which limits are asked for. */
const mostPlaces = 1000

/** The configuration under each set of limits that its methods give it over the run; one without any. */
export function limitedConfigs(config: Config): Config[] {
  if (config.methods.length === 0 || config.algorithm.trainer === 'sft') return [config]
  const stages = composeStages(config.methods)
  const { steps } = config.train
  const { maxNewTokens, groupSize } = config.rollout
  const found = new Map<string, Config>()
  const places = Math.min(steps, mostPlaces)
  for (let place = 0; place < places; place++) {
    const step = Math.floor((place * steps) / places)
    const limits = stages.limits(stageOf({ step, steps, epoch: 0, maxNewTokens, groupSize }, config.seed))
    found.set(JSON.stringify(limits), { ...config, rollout: { ...config.rollout, ...limits } })
  }
  return [...found.values()]
}
