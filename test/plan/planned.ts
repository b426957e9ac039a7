/** Real steps whose memory is measured the way a plan reports it. */
import { needsReference } from '../../src/config/algorithm.ts'
import { composeStages } from '../../src/config/methods.ts'
import type { Config } from '../../src/config/schema.ts'
import type { Prompt } from '../../src/core/types.ts'
import { loadRows } from '../../src/data/index.ts'
import type { Model } from '../../src/native/model.ts'
import { Optimizer } from '../../src/native/optimizer.ts'
import { Meter, type PhaseMemory, type PhaseName } from '../../src/plan/meter.ts'
import type { RewardRunner } from '../../src/rollout/reward_runner.ts'
import { Controllers } from '../../src/trainer/controllers.ts'
import { type MethodStages, stageOf } from '../../src/trainer/method_stages.ts'
import { freeze, targetOf } from '../../src/trainer/open.ts'
import { openCritic } from '../../src/trainer/open_critic.ts'
import { freezeBase, type OpenModel, openModel } from '../../src/trainer/open_model.ts'
import { sftStep } from '../../src/trainer/sft.ts'
import { rlStep } from '../../src/trainer/step.ts'

const rewards: RewardRunner = {
  ...{ names: [], weights: {}, dispose: () => {} },
  score: async (batch) => ({
    total: batch.map((_, i) => i % 2),
    parts: {},
    process: batch.map(() => null),
    failures: {},
  }),
}

function methodsOf(config: Config, policy: OpenModel): MethodStages {
  const place = { step: 0, steps: config.train.steps, epoch: 0, maxNewTokens: config.rollout.maxNewTokens }
  const stage = stageOf({ ...place, groupSize: config.rollout.groupSize }, config.seed)
  return { stages: composeStages(config.methods), stage, render: policy.toPrompt, encode: policy.tokenizer.encode }
}

export interface Measured {
  phases: Map<PhaseName, PhaseMemory>
  peak: number
  reserved: number
  offloaded: number
}

/** Two steps on the real engine over the first rows of the data, with completions that never end early. */
export async function measure(config: Config): Promise<Measured> {
  const { algorithm, lora } = config
  const opening = { ...config, ...config.data, dtype: config.model.dtype }
  const sharedCritic = algorithm.trainer === 'ppo' && algorithm.critic.backbone === 'shared'
  const policy = await openModel(config.model.path, { ...opening, valueHead: sharedCritic })
  const reference =
    needsReference(algorithm) && !lora
      ? (await openModel(config.model.path, { ...opening, lora: null, offload: config.train.offload.reference })).model
      : null
  await freezeBase(policy.model)
  await freeze(policy.model, config.model.freeze)
  const critic = await openCritic(policy.model, config)
  const ownCritic = critic && !sharedCritic ? (critic.critic.model as Model) : null
  const optimizer = await Optimizer.create(policy.model, {
    ...{ ...config.optimizer, noDecay: [], offload: config.train.offload.optimizer },
  })
  const rows = await loadRows(config.data.train, config.data)
  const meter = new Meter(policy.model, reference, false, ownCritic)
  const sampling = {
    ...policy.generateOptions({ ...config.rollout, seed: config.seed }),
    ...{ stopTokens: new Int32Array(0), merge: policy.merge, decode: () => '' },
  }
  const context = {
    methods: config.methods.length > 0 ? methodsOf(config, policy) : null,
    critic: critic && meter.criticOf(critic.critic.optimizer as Optimizer | null),
    controllers: new Controllers(config, { klCoef: null, entropyCoef: null, lastEntropy: null }),
    ...{ config, rewards, sampling, merge: policy.merge },
    ...{ policy: meter.policyFor('rollout'), optimizer: meter.optimizerOf(optimizer), reference: meter.scorer(config) },
  }
  await policy.model.zeroGrad() // as after the first step of a run
  await ownCritic?.zeroGrad()
  for (let step = 0; step < 2; step++) {
    const prompts: Prompt[] = []
    for (const row of rows) prompts.push(await policy.toPrompt(row))
    prompts.sort((a, b) => b.tokens.length - a.tokens.length) // the step that is planned: longest first
    if (config.algorithm.trainer !== 'sft') await rlStep(context, prompts, step, 1e-4)
    else
      await sftStep(
        context,
        prompts.map((prompt) => ({ prompt, target: targetOf(prompt.row, policy) })),
        1e-4,
      )
  }
  const phases = new Map(meter.result())
  const out = {
    ...{ phases, peak: Math.max(...[...phases.values()].map(({ total }) => total)) },
    ...{ reserved: meter.reserved(), offloaded: meter.offloaded() },
  }
  optimizer.dispose()
  critic?.[Symbol.dispose]()
  reference?.dispose()
  policy.dispose()
  return out
}
