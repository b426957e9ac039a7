/** Combinations of algorithm settings that have no meaning, each with the reason. */

import { losses } from '../algorithms/index.ts'
import { type AlgorithmConfig, advantageKind, needsReference } from './algorithm.ts'
import type { Violation } from './checks.ts'
import { composeStages } from './methods.ts'
import type { Config } from './schema.ts'

export function algorithmChecks(config: Config): Violation[] {
  const { algorithm, rollout } = config
  if (algorithm.trainer === 'sft') return []
  return [
    ...criticChecks(algorithm),
    ...replayChecks(config),
    ...adapterChecks(config),
    ...processChecks(algorithm),
    ...lossChecks(algorithm),
    ...klChecks(algorithm),
    ...samplingChecks(algorithm, rollout.maxNewTokens),
  ]
}

function* criticChecks(algorithm: AlgorithmConfig): Generator<Violation> {
  const kind = advantageKind(algorithm)
  if (algorithm.trainer === 'ppo' && kind !== 'gae')
    yield {
      path: ['algorithm', 'advantage', 'kind'],
      expected: 'gae with a critic',
      remedy: 'Its values are what GAE compares with. Without a critic set algorithm.trainer to grpo.',
    }
  if (algorithm.trainer === 'grpo' && kind === 'gae')
    yield {
      path: ['algorithm', 'trainer'],
      expected: 'ppo with gae',
      remedy: 'GAE needs the values of a critic; reinforce++ has returns without one.',
    }
}

function* replayChecks({ algorithm, methods }: Config): Generator<Violation> {
  if (algorithm.trainer === 'ppo' && composeStages(methods).replay)
    yield {
      path: ['methods'],
      expected: 'no method that replays completions with a critic',
      remedy: 'The values and returns of earlier steps are those of an earlier critic.',
    }
}

/** The reference of a run that trains adapters is the model without them, which does not move. */
function* adapterChecks({ algorithm, lora, model }: Config): Generator<Violation> {
  if (lora && model.reference === null && algorithm.kl.reference !== 'frozen')
    yield {
      path: ['algorithm', 'kl', 'reference'],
      expected: 'frozen with adapters',
      remedy: 'Their reference is the model without them; name one in model.reference to have another that moves.',
    }
}

/** Rules that say what an outcome is worth beside others, and have no words for steps. */
function* processChecks(algorithm: AlgorithmConfig): Generator<Violation> {
  const kind = advantageKind(algorithm)
  if (algorithm.advantage.process === null) return
  const reasons = {
    gdpo: 'gdpo normalises every reward over completions, and steps are normalised over steps.',
    remax: 'remax compares with a greedy completion, whose steps are others.',
  }
  const reason = Object.hasOwn(reasons, kind) ? reasons[kind as keyof typeof reasons] : null
  if (reason !== null)
    yield {
      path: ['algorithm', 'advantage', 'process'],
      expected: `null with ${kind}`,
      remedy: `${reason} Use another rule, such as group.`,
    }
  if (algorithm.advantage.standardize)
    yield {
      path: ['algorithm', 'advantage', 'standardize'],
      expected: 'false with process supervision',
      remedy: 'It standardises one number per completion; advantage.scale: batch takes the deviation of the step.',
    }
}

function* lossChecks(algorithm: AlgorithmConfig): Generator<Violation> {
  const { loss, entropy } = algorithm
  const wholeCompletions = losses[loss.kind].statistic !== null
  const { process } = algorithm.advantage
  const perToken = process !== null || ['reinforce++', 'gae'].includes(advantageKind(algorithm))
  if (wholeCompletions && perToken && loss.kind !== 'gspo-token')
    yield {
      path: ['algorithm', 'loss', 'kind'],
      expected: 'a loss of tokens beside advantages of tokens',
      remedy: `${loss.kind} has one ratio per completion, ${process ? 'process supervision has' : 'gae and reinforce++ have'} one advantage per token; gspo-token takes both.`,
    }
  if (loss.kind === 'gmpo' && entropy.topShare < 1)
    yield {
      path: ['algorithm', 'entropy', 'topShare'],
      expected: '1 with gmpo',
      remedy: 'Its loss is one number per completion, the geometric mean over all of its tokens.',
    }
  if (['gspo', 'gmpo', 'sequence-product'].includes(loss.kind) && loss.aggregation === 'sequence-sum')
    yield {
      path: ['algorithm', 'loss', 'aggregation'],
      expected: `another one than sequence-sum with ${loss.kind}`,
      remedy: 'Its tokens share one loss, so the sum multiplies it by the length. If that is meant, the loss is luspo.',
    }
}

function* klChecks(algorithm: AlgorithmConfig): Generator<Violation> {
  const { kl, loss } = algorithm
  if (!needsReference(algorithm)) return
  if (kl.place === 'reward' && kl.biasCorrected)
    yield {
      path: ['algorithm', 'kl', 'biasCorrected'],
      expected: 'false with the KL in the reward',
      remedy: 'There the tokens are those of the policy that sampled, and there is nothing to correct.',
    }
  if (kl.place === 'loss' && kl.biasCorrected && losses[loss.kind].statistic !== null)
    yield {
      path: ['algorithm', 'kl', 'biasCorrected'],
      expected: `false with ${loss.kind}`,
      remedy: 'The correction is the ratio of the token, and this loss has ratios of completions.',
    }
  if (kl.place === 'loss' && kl.estimator === 'k1' && !kl.biasCorrected)
    yield {
      path: ['algorithm', 'kl', 'estimator'],
      expected: 'k2, k3 or k3-k2 in the loss, or biasCorrected',
      remedy: 'The gradient of k1 has mean 0 whatever the reference: it is noise. In the reward k1 is right.',
    }
  if (kl.place === 'reward' && kl.estimator === 'k3-k2')
    yield {
      path: ['algorithm', 'kl', 'estimator'],
      expected: 'k1, k2 or k3 in the reward',
      remedy: 'A reward has no gradient, so k3-k2 is k3 there.',
    }
  if (kl.schedule === 'accuracy' && kl.accuracyOver === 'group' && kl.place === 'reward')
    yield {
      path: ['algorithm', 'kl', 'accuracyOver'],
      expected: 'batch with the KL in the reward',
      remedy: 'Rewards of one step are compared with each other and need one price.',
    }
}

function* samplingChecks(algorithm: AlgorithmConfig, maxNewTokens: number): Generator<Violation> {
  const { shaping, rolloutCorrection, entropy } = algorithm
  if (shaping.overlongCache > maxNewTokens)
    yield {
      path: ['algorithm', 'shaping', 'overlongCache'],
      expected: `at most rollout.maxNewTokens (${maxNewTokens})`,
      remedy: 'It is the last part of the longest completion allowed.',
    }
  if (rolloutCorrection.level !== null && rolloutCorrection.low > rolloutCorrection.high)
    yield {
      path: ['algorithm', 'rolloutCorrection', 'low'],
      expected: `at most rolloutCorrection.high (${rolloutCorrection.high})`,
      remedy: 'No weight would be left.',
    }
  if (entropy.min > entropy.max)
    yield {
      path: ['algorithm', 'entropy', 'min'],
      expected: `at most entropy.max (${entropy.max})`,
      remedy: 'The coefficient moves between the two.',
    }
}
