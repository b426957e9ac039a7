/**
 * `consistency` (Embodied-R): 1 when an answer is right and a frozen model that sees the question and only the reasoning comes
 * to a right answer too, so that the reasoning is what carries it. The frozen model answers greedily, in one call a step.
 */

import { InputError } from '../core/errors.ts'
import type { Prompt } from '../core/types.ts'
import { consistencyQuestion, consistencyScore, reasoningOf } from '../methods/consistency.ts'
import type { RewardInput } from '../rewards/define.ts'
import { rewards } from '../rewards/index.ts'
import { collect } from '../rollout/collect.ts'
import { Scores } from '../rollout/reward_scores.ts'
import type { ConsistencyRewardOptions, RewardScorer } from '../rollout/reward_spec.ts'
import { questionRow } from './learned_text.ts'
import { type OpenModel, type OpenModelOptions, openModel } from './open_model.ts'

/** @throws InputError for a bad model folder. */
export async function openConsistencyReward(
  { judge = 'accuracy', maxNewTokens = 64, ...options }: ConsistencyRewardOptions & { path: string },
  settings: OpenModelOptions,
): Promise<RewardScorer> {
  const opened = await openModel(options.path, { ...settings, lora: null })
  return {
    name: 'consistency',
    dispose: () => opened.dispose(),
    score: (inputs, signal) => scoreAll(inputs, opened, { judge, maxNewTokens }, signal),
  }
}

type Settings = Required<Pick<ConsistencyRewardOptions, 'judge' | 'maxNewTokens'>>

/** A right completion, and what the frozen model is asked about it. */
interface Asked {
  readonly index: number
  readonly prompt: Prompt
}

async function scoreAll(
  inputs: readonly RewardInput[],
  opened: OpenModel,
  { judge, maxNewTokens }: Settings,
  signal?: AbortSignal,
): Promise<Scores> {
  const scores = new Scores(inputs.length)
  const isRight = async (input: RewardInput) => Number(await rewards[judge].score(input)) > 0.5
  const asked: Asked[] = []
  for (const [index, input] of inputs.entries()) {
    try {
      const reasoning = reasoningOf(input.completion)
      if (reasoning === null || !(await isRight(input))) scores.value(index, consistencyScore(false, false))
      else asked.push({ index, prompt: await promptOf(input, reasoning, opened) })
    } catch (error) {
      if (!(error instanceof InputError)) throw error
      scores.error(index, error.message)
    }
  }
  const settings = { temperature: 0, topK: 0, topP: 1, minP: 0, maxNewTokens, stop: [], seed: 0 }
  const { model, merge, decode } = opened
  const sampling = { ...opened.generateOptions(settings), merge, decode, samples: 1, step: 0 }
  const answered = await collect(
    model,
    asked.map(({ prompt }) => prompt),
    sampling,
    { signal },
  )
  for (const [k, { index }] of asked.entries()) {
    const completion = answered[k]!.completions[0]!.text
    scores.value(index, consistencyScore(true, await isRight({ ...inputs[index]!, completion })))
  }
  return scores
}

/** The question without its images: the reasoning has to say what was seen. */
function promptOf(input: RewardInput, reasoning: string, opened: OpenModel): Promise<Prompt> {
  const template = consistencyQuestion('{question}', '{completion}')
  const about = { ...input, completion: reasoning }
  return opened.toPrompt(questionRow(about, null, template, { system: null, sees: false }))
}
