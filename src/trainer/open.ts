/** Config -> an open run: model, reference, optimizer, data, rewards, and the place to continue from. */

import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { isAdapterFolder } from '../checkpoint/adapter.ts'
import { cleanStale, listCheckpoints, newestSound } from '../checkpoint/retention.ts'
import {
  type Companion,
  restoreCheckpoint,
  restoreCompanions,
  type SavableModel,
} from '../checkpoint/run_checkpoint.ts'
import { freshState, type TrainerState } from '../checkpoint/trainer_state.ts'
import { needsReference } from '../config/algorithm.ts'
import { writeResolvedConfig } from '../config/load.ts'
import type { Config } from '../config/schema.ts'
import { InputError } from '../core/errors.ts'
import type { Row } from '../core/types.ts'
import { checkRows, createSampler, loadRows, requireSound } from '../data/index.ts'
import { metricsFileName } from '../metrics/jsonl.ts'
import type { Model } from '../native/model.ts'
import { Optimizer } from '../native/optimizer.ts'
import type { ModelSpec } from '../native/types.ts'
import type { RewardSpec } from '../rollout/reward_runner.ts'
import { openCritic } from './open_critic.ts'
import { freezeBase, type OpenModel, openModel } from './open_model.ts'
import { openRewards, requireStepRewards } from './open_rewards.ts'
import type { Reference, Scorer } from './policy.ts'
import type { RowStream, Run } from './run.ts'

export interface OpenRunOptions {
  /** Continue from the newest checkpoint of the run folder that is not damaged; a run without one starts. */
  resume?: boolean
  /** Rows in memory instead of the files that `data.train` and `data.eval` name. */
  rows?: { train: readonly Row[]; eval?: readonly Row[] }
  /** Instead of `rewards` of the configuration; values run in this thread. */
  rewards?: readonly RewardSpec[]
}

/**
 * Opens everything a run needs and checks it before the first step.
 *
 * @throws InputError for a run folder in use, a bad model folder, bad data or rewards, or a checkpoint of other data.
 */
export async function openRun(config: Config, options: OpenRunOptions = {}): Promise<Run> {
  const notices: string[] = []
  const from = await prepareFolder(config, options.resume ?? false, (message) => notices.push(message))
  const isAdapter = await isAdapterFolder(config.model.path)
  if (isAdapter && config.lora) throw new InputError('lora', 'null', 'settings', 'model.path is an adapter already')
  const { train, heldOut } = await rowsOf(config, options.rows)
  const training = openStream(train, config)
  const specs = options.rewards ?? config.rewards
  if (config.algorithm.advantage.process) requireStepRewards(specs)
  const rewards = await openRewards(specs, config)
  const opened: Disposable[] = [{ [Symbol.dispose]: () => rewards.dispose() }]
  const dispose = () => {
    for (const part of opened.splice(0).reverse()) part[Symbol.dispose]()
  }
  try {
    const { algorithm } = config
    const base = isAdapter ? undefined : config.model.path
    const policy = await openModel(from ?? config.model.path, {
      ...{ ...config, ...config.data, dtype: config.model.dtype, base },
      valueHead: algorithm.trainer === 'ppo' && algorithm.critic.backbone === 'shared',
    })
    opened.push(policy)
    await freezeBase(policy.model)
    await freeze(policy.model, config.model.freeze)
    const optimizer = await openOptimizer(policy.model, config)
    opened.push(optimizer)
    const reference = await openReference(policy, config)
    if (reference) opened.push(reference)
    const critic = await openCritic(policy.model, config)
    if (critic) opened.push(critic)
    const companions: Companion[] = critic ? [critic.companion] : []
    if (reference?.load && algorithm.kl.reference !== 'frozen')
      companions.push({ name: 'reference', model: reference as SavableModel })
    if (from) await restoreCompanions(from, companions)
    const state = from
      ? await restore(from, policy, optimizer, training, config)
      : freshState(config.seed, training.fingerprint)
    await writeResolvedConfig(config.run.dir, config)
    const sampling = policy.generateOptions({ ...config.rollout, seed: config.seed })
    return {
      critic: critic?.critic ?? null,
      ...{ config, optimizer, reference, companions, rewards, training, heldOut, state, notices, dispose },
      // A resumed run saves the tokenizer files of the model folder: the checkpoint it came from may be pruned.
      source: { ...policy.checkpoint, dir: isAdapter ? policy.checkpoint.dir : config.model.path },
      policy: policy.model,
      sampling: { ...sampling, merge: policy.merge, decode: policy.decode },
      toPrompt: policy.toPrompt,
      encode: (text) => policy.tokenizer.encode(text),
      toExample: async (row) => ({ prompt: await policy.toPrompt(row), target: targetOf(row, policy) }),
    }
  } catch (error) {
    dispose()
    throw error
  }
}

/** What a fresh start in a used folder removes; files that are begun anew are not in it. */
const folderContents = [
  ...['checkpoints', 'samples', 'report.json', 'report.html'],
  ...['tensorboard', 'completions', 'mlflow.json', 'experiment_log.jsonl'],
]

/** @returns the checkpoint to continue from, or `null` for a fresh run in an empty folder. */
async function prepareFolder(
  { run }: Config,
  resume: boolean,
  warn: (message: string) => void,
): Promise<string | null> {
  await cleanStale(run.dir)
  if (resume) return newestSound(run.dir, warn)
  const used = (await listCheckpoints(run.dir)).length > 0 || existsSync(join(run.dir, metricsFileName))
  if (used && !run.overwrite)
    throw new InputError(run.dir, 'an empty run folder', 'a run', 'Use --resume, run.overwrite, or another run.dir')
  if (used) for (const name of folderContents) await rm(join(run.dir, name), { recursive: true, force: true })
  return null
}

async function rowsOf(config: Config, given: OpenRunOptions['rows']) {
  const { data } = config
  const train = given?.train ?? (await loadRows(data.train, data))
  const heldOut = given ? (given.eval ?? []) : data.eval.length > 0 ? await loadRows(data.eval, data) : []
  for (const rows of [train, heldOut]) if (rows.length > 0) requireSound(await checkRows([...rows]))
  return { train, heldOut }
}

/** Rows in a new seeded order every epoch. */
function openStream(rows: readonly Row[], { seed, data }: Config): RowStream {
  const sampler = createSampler({ size: rows.length, seed, shuffle: data.shuffle })
  const hash = createHash('sha256')
  for (const { messages, answer, target } of rows) hash.update(JSON.stringify([messages, answer, target]))
  return {
    count: rows.length,
    fingerprint: hash.digest('hex').slice(0, 16),
    find: (id) => rows.find((row) => row.id === id) ?? null,
    take(seen, count) {
      sampler.restore({ epoch: Math.floor(seen / rows.length), index: seen % rows.length })
      return sampler.next(count).map((index) => rows[index]!)
    },
  }
}

/** Takes parameters out of training by the beginning of their names. @throws InputError when none begins so. */
export async function freeze(model: Model, prefixes: readonly string[]): Promise<void> {
  const names = model.parameters().map((p) => p.name)
  for (const prefix of prefixes) {
    const frozen = names.filter((name) => name.startsWith(prefix))
    if (frozen.length === 0)
      throw new InputError('model.freeze', 'the beginning of a parameter name', prefix, `The first one is ${names[0]}`)
    await model.setTrainable(frozen, false)
  }
}

function openOptimizer(model: Model, { optimizer, algorithm, train, seed }: Config): Promise<Optimizer> {
  const headLrFactor = optimizer.lr > 0 ? algorithm.critic.lr / optimizer.lr : 1
  const noDecay = model
    .parameters()
    .map((p) => p.name)
    .filter((name) => optimizer.noDecay.some((part) => name.includes(part)))
  if (optimizer.stochasticRounding && model.dtype === 'f32')
    throw new InputError(
      'optimizer.stochasticRounding',
      'false',
      true,
      'The weights are in f32 here: nothing is rounded',
    )
  return Optimizer.create(model, { ...optimizer, noDecay, headLrFactor, seed, offload: train.offload.optimizer })
}

/**
 * The reference has the weights the run started from, also when the run is resumed: a second model, or with adapters
 * the policy without them.
 */
async function openReference(
  policy: OpenModel,
  config: Config,
): Promise<(Reference & Partial<SavableModel> & Disposable) | null> {
  const { algorithm, model, lora } = config
  if (!needsReference(algorithm)) return null
  if (lora && model.reference === null) return withoutAdapters(policy.model)
  const { checkpoint, model: reference } = await openModel(model.reference ?? model.path, {
    ...config,
    dtype: model.dtype,
    offload: config.train.offload.reference,
  })
  if (sizes(checkpoint.spec) === sizes(policy.checkpoint.spec)) return reference
  reference.dispose()
  throw new InputError(
    checkpoint.dir,
    'a model of the same shape as the policy',
    'another one',
    'Check model.reference',
  )
}

const sizes = ({ decoder, vision }: ModelSpec) => JSON.stringify([decoder, vision])

function withoutAdapters(policy: Model): Scorer & Disposable {
  return {
    score: (pack, head, options) => policy.score(pack, head, { ...options, adapters: false }),
    [Symbol.dispose]: () => {},
  }
}

async function restore(dir: string, policy: OpenModel, optimizer: Optimizer, training: RowStream, config: Config) {
  const state: TrainerState = await restoreCheckpoint(dir, policy.model, optimizer, policy.checkpoint.sources)
  const remedy = 'Resume with the settings of the run, or start another one'
  if (state.seed !== config.seed) throw new InputError(`${dir} seed`, String(state.seed), config.seed, remedy)
  if (state.data !== training.fingerprint)
    throw new InputError(`${dir} data`, 'the training rows that the run began with', 'other rows', remedy)
  return state
}

/** Tokens of the row's target. @throws InputError when it has none. */
export function targetOf(row: Row, { tokenizer }: Pick<OpenModel, 'tokenizer'>): Int32Array {
  if (row.target === null)
    throw new InputError(row.id, 'a target completion to imitate', 'none', 'Supervised training needs one in each row')
  return tokenizer.encodeCompletion(row.target)
}
