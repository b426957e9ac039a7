/**
 * Memory known before a run starts: one whole step through the trainer's own code, on models that only count bytes.
 *
 * Bytes are those of the device that `device` of the configuration names, which need not be there: on CUDA they include
 * the workspaces of its kernels, cublasLt's and the decode graph's. Not counted are the CUDA context and what kernels of
 * the CPU keep for themselves, some per cent.
 *
 * What is planned is the most demanding step of a run that has been going for a while: the longest prompts of the data,
 * every completion as long as allowed and none left out of the update, gradients and optimizer state in place, kept
 * image features at their bound.
 */

import { type ModelConfig, openConfig, planSave } from '../checkpoint/hf_folder.ts'
import { dtypeBytes } from '../checkpoint/safetensors.ts'
import { needsReference } from '../config/algorithm.ts'
import type { Config } from '../config/schema.ts'
import type { Prompt } from '../core/types.ts'
import { parameterCount, visualTokens } from '../models/index.ts'
import { native } from '../native/binding.ts'
import { Model, type ModelPlace } from '../native/model.ts'
import { Optimizer } from '../native/optimizer.ts'
import type { DtypeName, OpsDevice } from '../native/types.ts'
import type { CollectOptions } from '../rollout/collect.ts'
import type { RewardRunner } from '../rollout/reward_runner.ts'
import { Controllers } from '../trainer/controllers.ts'
import { EVALUATED_AT_ONCE, evaluate } from '../trainer/evaluate.ts'
import { freeze } from '../trainer/open.ts'
import { prepareCritic } from '../trainer/open_critic.ts'
import { dtypeOf, freezeBase, opsDevice, withAdapters } from '../trainer/open_model.ts'
import { type Example, sftStep } from '../trainer/sft.ts'
import { rlStep } from '../trainer/step.ts'
import { judgePlanned, openPlannedRewards, type PlannedReward } from './learned.ts'
import { Meter, type PhaseMemory, type PhaseName } from './meter.ts'
import { DataPrompts, type PromptShape, type PromptSource, ShapedPrompts } from './prompts.ts'
import { changesImages, limitedConfigs, sampledVariants } from './variants.ts'

export interface PlanOptions {
  /** Opened config.json, when it is not that of `model.path`. */
  model?: ModelConfig
  /** Sizes to plan for instead of those of the data. */
  prompt?: PromptShape
}

/** What the planned step consists of. */
export interface PlannedStep {
  trainer: 'grpo' | 'ppo' | 'sft'
  /** Where prompt sizes come from: data files, the caller, or the limits of the configuration. */
  source: PromptSource['kind']
  prompts: number
  groupSize: number
  maxNewTokens: number
  promptTokens: { longest: number; total: number }
  /** Different ones of the step; `pixels` of the largest, after resizing. */
  images: { count: number; pixels: number }
}

/** Bytes throughout. The memory of Node itself (datasets, decoded pixels) is not part of it. */
export interface Plan {
  model: { family: string; parameters: number; trained: number; device: OpsDevice; dtype: DtypeName }
  optimizer: Pick<Config['optimizer'], 'state' | 'gradDtype'>
  step: PlannedStep
  phases: [PhaseName, PhaseMemory][]
  /** The phase that needs most. */
  peak: { phase: PhaseName } & PhaseMemory
  /** What the process holds in the end: freed blocks are kept for reuse. */
  reserved: number
  /** Pinned memory of the host, where `train.offload` puts things; not in the figures above. */
  offloaded: number
  /** Not memory of the process: files, which pass through the file cache of the system while they are saved. */
  checkpoint: { each: number; most: number }
}

/** The sizes a run's prompts may have; opened once for several plans. */
export interface PlanSource {
  model: ModelConfig
  training: PromptSource
  evaluation: DataPrompts | null
}

/** @throws InputError for a bad model folder, and for rows and images at fault. */
export async function openPlanSource(config: Config, options: PlanOptions = {}): Promise<PlanSource> {
  const model = options.model ?? (await openConfig(config.model.path))
  if (options.prompt)
    return { model, training: await ShapedPrompts.open(model, options.prompt, config), evaluation: null }
  const training =
    (await DataPrompts.open(config.data.train, config, model)) ?? (await ShapedPrompts.open(model, null, config))
  const evaluates = config.eval.atStart || config.eval.atEnd || config.eval.every > 0
  return { model, training, evaluation: evaluates ? await DataPrompts.open(config.data.eval, config, model) : null }
}

/**
 * Plans a run. Needs config.json of the model folder; sizes come from data and tokenizer where they are there.
 *
 * @throws InputError as `openPlanSource`, and for a prompt over `data.maxPromptTokens`.
 * @example
 * const { peak } = await planRun(config)
 * peak.total // bytes
 */
export async function planRun(config: Config, options: PlanOptions = {}): Promise<Plan> {
  return planStep(config, await openPlanSource(config, options))
}

/** `planRun` with opened sizes. Where methods change the limits as the run goes on, the plan is that of their worst stage. */
export async function planStep(config: Config, source: PlanSource): Promise<Plan> {
  const plans: Plan[] = []
  for (const limited of limitedConfigs(config)) plans.push(await planLimited(limited, source))
  return plans.reduce((worst, plan) => (plan.peak.total > worst.peak.total ? plan : worst))
}

async function planLimited(config: Config, source: PlanSource): Promise<Plan> {
  const isSft = config.algorithm.trainer === 'sft'
  const examples = await source.training.longest(isSft ? config.train.batchSize : config.rollout.promptsPerStep, config)
  const evaluated = await evaluationPrompts(config, source)
  const { family } = source.model
  const spec = withAdapters(source.model, config.lora)
  native().setThreads(config.threads)
  const device = opsDevice(config.device)
  const dtype = dtypeOf(config.model.dtype, device)
  const counted: ModelPlace = { device: 'meta', dtype, countsFor: device }
  const critic = config.algorithm.trainer === 'ppo' ? config.algorithm.critic.backbone : null
  const policy = await Model.create({ ...spec, valueHead: critic === 'shared' }, counted)
  const ownCritic = critic === 'own' ? await Model.create({ ...spec, valueHead: true }, counted) : null
  const ownReference = needsReference(config.algorithm) && !config.lora
  const reference = ownReference ? await Model.create(source.model.spec, counted) : null
  const learned = await openPlannedRewards(config, counted)
  try {
    await freezeBase(policy)
    await freeze(policy, config.model.freeze)
    if (ownCritic) await prepareCritic(ownCritic, config.model.freeze)
    if (config.train.offload.reference) await reference?.offload()
    const models = learned.map(({ model }) => model)
    const meter = new Meter(policy, reference, true, ownCritic, models)
    const stateBytes = await runStep(config, { policy, critic: ownCritic, learned }, meter, examples, evaluated)
    const phases = addImageCache(
      meter.result(),
      await cachedFeatures(config, source, examples, { policy, reference, dtype }),
    )
    const cache = phases[0]?.[1].imageCache ?? 0
    const [phase, memory] = phases.reduce((most, next) => (next[1].total > most[1].total ? next : most))
    return {
      model: {
        ...{ family: family.name, parameters: parameterCount(spec), trained: trainedCount(policy) },
        ...{ device, dtype },
      },
      optimizer: { state: config.optimizer.state, gradDtype: config.optimizer.gradDtype },
      step: describe(config, source, examples),
      ...{ phases, peak: { phase, ...memory }, reserved: meter.reserved() + cache },
      offloaded: meter.offloaded(),
      checkpoint: checkpointSize(config, source, policy, stateBytes),
    }
  } finally {
    policy.dispose()
    reference?.dispose()
    ownCritic?.dispose()
    for (const { model } of learned) model.dispose()
  }
}

interface Learners {
  policy: Model
  /** Of its own; `null` without one. */
  critic: Model | null
  /** Rewards that are models. */
  learned: readonly PlannedReward[]
}

/** @returns bytes of optimizer state that a checkpoint holds. */
async function runStep(
  config: Config,
  { policy, critic, learned }: Learners,
  meter: Meter,
  examples: Example[],
  evaluated: Prompt[],
): Promise<number> {
  const options = { ...config.optimizer, noDecay: [], offload: config.train.offload.optimizer }
  const optimizer = await Optimizer.create(policy, options)
  const criticOptimizer = critic && (await Optimizer.create(critic, options))
  try {
    await critic?.zeroGrad()
    await policy.zeroGrad()
    const judge = () => judgePlanned(learned, examples.map(promptOf), config, meter)
    const { maxNewTokens, temperature, topK, topP, minP, weights } = config.rollout
    const sampling: Omit<CollectOptions, 'step' | 'samples'> = {
      ...{ maxNewTokens, temperature, topK, topP, minP, weights, seed: 0, merge: policy.spec.vision?.merge ?? 1 },
      ...{ stopTokens: new Int32Array(0), forbiddenTokens: Int32Array.of(0), decode: () => '' },
    }
    const context = {
      methods: sampledVariants(config, examples),
      critic: config.algorithm.trainer === 'ppo' ? meter.criticOf(criticOptimizer) : null,
      controllers: new Controllers(config, { klCoef: null, entropyCoef: null, lastEntropy: null }),
      ...{ config, sampling, rewards: unequalRewards(config.rollout.groupSize, judge), merge: sampling.merge },
      ...{
        policy: meter.policyFor('rollout'),
        optimizer: meter.optimizerOf(optimizer),
        reference: meter.scorer(config),
      },
    }
    if (config.algorithm.trainer === 'sft') await sftStep(context, examples, 0)
    else await rlStep(context, examples.map(promptOf), 0, 0)
    if (evaluated.length > 0) {
      const longest = config.eval.maxNewTokens ?? maxNewTokens
      const evaluation = { ...context, policy: meter.policyFor('evaluation'), maxNewTokens: longest }
      await evaluate(stream(evaluated), evaluation)
    }
    return stateBytesOf(optimizer) + (criticOptimizer ? stateBytesOf(criticOptimizer) : 0)
  } finally {
    optimizer.dispose()
    criticOptimizer?.dispose()
  }
}

function stateBytesOf(optimizer: Optimizer): number {
  const sizes = optimizer.states().map(({ shape, dtype }) => shape.reduce((a, b) => a * b, dtypeBytes[dtype]))
  return sizes.reduce((a, b) => a + b, 0)
}

async function* stream<T>(items: Iterable<T>): AsyncGenerator<T> {
  yield* items
}

/** One completion of each group is right, as a whole and in its one step: no advantage is 0, every completion is trained on. */
function unequalRewards(groupSize: number, judge: () => Promise<void>): RewardRunner {
  return {
    ...{ names: [], weights: {}, dispose: () => {} },
    async score(batch) {
      await judge()
      const total = batch.map((_, i) => (i % groupSize === 0 ? 1 : 0))
      const process = total.map((reward, i) => ({ steps: [{ end: batch[i]!.completion.length, reward }], score: 0 }))
      return { total, parts: {}, process, failures: {} }
    },
  }
}

async function evaluationPrompts(config: Config, { evaluation }: PlanSource): Promise<Prompt[]> {
  if (!evaluation) return []
  const rows = config.eval.rows > 0 ? Math.min(config.eval.rows, evaluation.count) : evaluation.count
  const grpo: Config = { ...config, algorithm: { ...config.algorithm, trainer: 'grpo' } }
  return (await evaluation.longest(Math.min(rows, EVALUATED_AT_ONCE), grpo)).map(promptOf)
}

const promptOf = ({ prompt }: Example) => prompt

/** Bytes of image features kept from other steps: those of every tower whose weights do not change. */
async function cachedFeatures(
  config: Config,
  { model, training, evaluation }: PlanSource,
  examples: Example[],
  { policy, reference, dtype }: { policy: Model; reference: Model | null; dtype: DtypeName },
): Promise<number> {
  const { vision } = model.spec
  if (!vision) return 0
  const bytes = (dtype === 'bf16' ? 2 : 4) * vision.outHidden
  const own = distinctImages(examples).reduce((sum, { grid }) => sum + bytes * visualTokens(grid, vision.merge), 0)
  // An image that is changed is another one in every step, so that they add up to the bound.
  const kinds = changesImages(config) ? Number.POSITIVE_INFINITY : await training.features(config)
  const all = (kinds + ((await evaluation?.features(config)) ?? 0)) * bytes
  const frozen = !policy.parameters().some(({ name, trainable }) => trainable && name.startsWith('vision.'))
  const kept = (tower: Model | null) => (tower ? Math.max(0, Math.min(tower.memory().imageCacheLimit, all) - own) : 0)
  return (frozen ? kept(policy) : 0) + kept(reference)
}

function addImageCache(phases: [PhaseName, PhaseMemory][], bytes: number): [PhaseName, PhaseMemory][] {
  return phases.map(([name, memory]) => [name, { ...memory, imageCache: bytes, total: memory.total + bytes }])
}

function distinctImages(examples: readonly Example[]) {
  return [...new Map(examples.flatMap(({ prompt }) => prompt.images).map((image) => [image.key, image])).values()]
}

function trainedCount(policy: Model): number {
  const trained = policy.parameters().filter(({ trainable }) => trainable)
  return trained.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0)
}

/** Bytes of one checkpoint, and of all that are there at once: the kept ones, the best, and the one being written. */
function checkpointSize(
  { checkpoint, lora }: Config,
  { model }: PlanSource,
  policy: Model,
  stateBytes: number,
): Plan['checkpoint'] {
  const bf16 = checkpoint.dtype === 'bf16'
  const exact = bf16 && policy.dtype === 'f32' ? 4 * parameterCount(model.spec) : 0
  const weights = lora ? 4 * trainedCount(policy) : planSave(model, bf16 ? 'BF16' : 'F32').bytes + exact
  const each = weights + stateBytes
  return { each, most: each * (checkpoint.keepLast + (checkpoint.keepBest === null ? 0 : 1) + 1) }
}

function describe(config: Config, { model, training }: PlanSource, examples: Example[]): PlannedStep {
  const isSft = config.algorithm.trainer === 'sft'
  const tokens = examples.map(({ prompt }) => prompt.tokens.length)
  const images = distinctImages(examples)
  const patch = model.spec.vision?.patchSize ?? 0
  return {
    trainer: config.algorithm.trainer,
    source: training.kind,
    prompts: examples.length,
    groupSize: isSft ? 1 : config.rollout.groupSize,
    maxNewTokens: isSft ? Math.max(...examples.map(({ target }) => target.length)) : config.rollout.maxNewTokens,
    promptTokens: { longest: Math.max(...tokens), total: tokens.reduce((a, b) => a + b, 0) },
    images: {
      count: images.length,
      pixels: Math.max(0, ...images.map(({ grid: [t, h, w] }) => t * h * w * patch ** 2)),
    },
  }
}
