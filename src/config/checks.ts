/** Rules that look at several keys at once. Each names the key to change, what it should be, and why. */
import { advantageKind } from './algorithm.ts'
import { algorithmChecks } from './algorithm_checks.ts'
import type { Config } from './schema.ts'

export interface Violation {
  path: (string | number)[]
  expected: string
  remedy: string
}

export function crossChecks(config: Config): Violation[] {
  return [groupChecks, algorithmChecks, evaluationChecks, offloadChecks, limitChecks].flatMap((check) => [
    ...check(config),
  ])
}

/** Rules that need no second completion to compare with. */
const aloneIsEnough = new Set(['rloo', 'remax', 'reinforce++', 'gae'])

function* groupChecks({ algorithm, rollout }: Config): Generator<Violation> {
  if (algorithm.trainer === 'sft') return
  if (rollout.groupSize < 2 && !aloneIsEnough.has(advantageKind(algorithm)))
    yield {
      path: ['rollout', 'groupSize'],
      expected: 'at least 2 completions per prompt',
      remedy: 'An advantage is a reward minus the mean of its group: in a group of one it is always 0.',
    }
  if (rollout.temperature === 0)
    yield {
      path: ['rollout', 'temperature'],
      expected: 'a temperature above 0',
      remedy: 'Greedy completions of one prompt are all the same, so every advantage would be 0.',
    }
  if (algorithm.miniBatches > rollout.promptsPerStep)
    yield {
      path: ['algorithm', 'miniBatches'],
      expected: `at most rollout.promptsPerStep (${rollout.promptsPerStep})`,
      remedy: 'Each mini-batch needs at least one prompt.',
    }
}

function* evaluationChecks(config: Config): Generator<Violation> {
  const { data, checkpoint } = config
  const remedy = 'Name held-out files in data.eval.'
  if (config.eval.every > 0 && data.eval.length === 0)
    yield { path: ['eval', 'every'], expected: '0 without held-out rows', remedy }
  if (config.eval.atStart && data.eval.length === 0)
    yield { path: ['eval', 'atStart'], expected: 'false without held-out rows', remedy }
  if (checkpoint.keepBest?.startsWith('eval_') && config.eval.every === 0)
    yield {
      path: ['checkpoint', 'keepBest'],
      expected: 'a training metric while eval.every is 0',
      remedy: 'Set eval.every so that the metric is measured during the run.',
    }
}

function* offloadChecks({ device, train, algorithm, lora, model }: Config): Generator<Violation> {
  for (const part of ['optimizer', 'reference'] as const)
    if (train.offload[part] && device === 'cpu')
      yield {
        path: ['train', 'offload', part],
        expected: 'false on the CPU',
        remedy: 'Everything is in host memory there already.',
      }
  const { reference } = algorithm.kl
  if (train.offload.reference && reference !== 'frozen')
    yield {
      path: ['train', 'offload', 'reference'],
      expected: `false while algorithm.kl.reference is ${reference}`,
      remedy: 'A reference that follows the policy is written on the GPU.',
    }
  if (train.offload.reference && lora && model.reference === null)
    yield {
      path: ['train', 'offload', 'reference'],
      expected: 'false with lora',
      remedy: 'The reference is the policy without its adapters: it has no weights of its own.',
    }
}

function* limitChecks({ data, model, optimizer, train }: Config): Generator<Violation> {
  if (optimizer.stochasticRounding && model.dtype === 'f32')
    yield {
      path: ['optimizer', 'stochasticRounding'],
      expected: 'false while model.dtype is f32',
      remedy: 'Weights in f32 are not rounded.',
    }
  if (data.minPixels !== null && data.maxPixels !== null && data.minPixels > data.maxPixels)
    yield {
      path: ['data', 'minPixels'],
      expected: `at most data.maxPixels (${data.maxPixels})`,
      remedy: 'No image size would fit.',
    }
  if (optimizer.warmupSteps > train.steps)
    yield {
      path: ['optimizer', 'warmupSteps'],
      expected: `at most train.steps (${train.steps})`,
      remedy: 'The learning rate would never reach its peak.',
    }
}
