/**
 * Checkpoints of a run, each a folder that is also a complete Hugging Face model:
 *
 *   <run>/checkpoints/step-40/
 *     config.json  model.safetensors  tokenizer.json  ...    what transformers loads
 *     optimizer.safetensors                                  AdamW moments as they are stored, fp32 copies of bf16 weights
 *     weights.safetensors                                    fp32 weights; only beside a model saved in fewer bits
 *     critic.safetensors  critic_optimizer.*                 PPO: what is trained of the critic, its moments and steps
 *     reference.safetensors                                  a reference that follows the policy
 *     trainer_state.json                                     everything else that the next step depends on
 *     checksums.json                                         size and hash of all of these
 *
 * A run that trains adapters has `adapter_config.json` and `adapter_model.safetensors` in place of the model.
 *
 * Saving has two halves. The snapshot writes every byte to `.tmp-40`, which costs a copy into the system's file cache;
 * then the run may go on. Publishing waits for the disk, hashes, and renames: a folder called `step-*` is complete,
 * whatever happened. A failed save removes what it wrote and leaves every earlier checkpoint as it was.
 */

import { mkdir, readdir, readFile, rename, rm } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { InputError } from '../core/errors.ts'
import type { DtypeName, ParameterInfo, StateTensor, StorageDtype, TensorSink, TensorSource } from '../native/types.ts'
import { adapterConfigFile, adapterWeightsFile, planAdapterSave } from './adapter.ts'
import { writeChecksums } from './checksums.ts'
import { syncFile, syncFolder, writeSynced } from './durable.ts'
import { exists, readJsonObject } from './files.ts'
import { listSideFiles, type ModelConfig, planSave } from './hf_folder.ts'
import { checkpointPath, checkpointsFolder } from './retention.ts'
import { buildHeader, readSafetensors } from './safetensors.ts'
import { readTrainerState, STATE_FILE, type TrainerState } from './trainer_state.ts'

/** The parts of `Model` and `Optimizer` that are saved. */
export interface SavableModel {
  /** How its weights are stored; absent = f32. */
  readonly dtype?: DtypeName
  parameters(): ParameterInfo[]
  save(file: string, header: Uint8Array, sinks: TensorSink[]): Promise<void>
  load(sources: TensorSource[]): Promise<void>
}
export interface SavableOptimizer {
  readonly steps: number
  states(): StateTensor[]
  save(file: string, header: Uint8Array, sinks: TensorSink[]): Promise<void>
  load(sources: TensorSource[], steps: number): Promise<void>
}

export interface CheckpointContent {
  model: SavableModel
  optimizer: SavableOptimizer
  /** Where config.json and the tokenizer files come from. */
  source: ModelConfig
  dtype: StorageDtype
  state: TrainerState
  /** Further models that training changes: a critic, a reference that follows the policy. */
  companions?: readonly Companion[]
}

/** A model saved beside the policy, in fp32 under our own parameter names, with its optimizer where it has one. */
export interface Companion {
  name: 'critic' | 'reference'
  model: SavableModel
  optimizer?: SavableOptimizer
}

/** A checkpoint whose bytes are all written, not yet under its name. */
export interface Snapshot {
  readonly step: number
  /** Makes it durable and gives it its name. @returns its folder. @throws as `saveCheckpoint`. */
  publish(): Promise<string>
}

const OPTIMIZER_FILE = 'optimizer.safetensors'
const WEIGHTS_FILE = 'weights.safetensors'

/**
 * Writes a checkpoint; returns its folder.
 *
 * @throws the cause, naming the file, when something cannot be written (a full disk, no permission). Nothing of the
 *   failed checkpoint stays, and no other checkpoint is touched.
 */
export async function saveCheckpoint(runDir: string, content: CheckpointContent): Promise<string> {
  return (await takeSnapshot(runDir, content)).publish()
}

/** The first half of a save. Once it resolves, the model may change. @throws as `saveCheckpoint`. */
export async function takeSnapshot(runDir: string, content: CheckpointContent): Promise<Snapshot> {
  const { step } = content.state
  const target = checkpointPath(runDir, step)
  const temporary = join(checkpointsFolder(runDir), `.tmp-${step}`)
  await orRemove(temporary, target, async () => {
    await rm(temporary, { recursive: true, force: true })
    await mkdir(temporary, { recursive: true })
    await writeContent(temporary, content)
  })
  return { step, publish: () => orRemove(temporary, target, () => publish(temporary, target)) }
}

async function publish(temporary: string, target: string): Promise<string> {
  for (const name of await readdir(temporary)) await syncFile(join(temporary, name))
  await writeChecksums(temporary)
  await syncFolder(temporary)
  await rm(target, { recursive: true, force: true })
  await rename(temporary, target)
  await syncFolder(join(target, '..'))
  return target
}

async function orRemove<T>(temporary: string, target: string, body: () => Promise<T>): Promise<T> {
  try {
    return await body()
  } catch (cause) {
    await rm(temporary, { recursive: true, force: true }).catch(() => undefined)
    const reason = cause instanceof Error ? cause.message : String(cause)
    const expected = 'expected a folder that can be written'
    throw new Error(`checkpoint ${target}: ${expected} but received ${reason}. Earlier checkpoints are unchanged`, {
      cause,
    })
  }
}

async function writeContent(dir: string, content: CheckpointContent): Promise<void> {
  const { optimizer, source, state } = content
  for (const name of await listSideFiles(source.dir))
    await writeSynced(join(dir, name), await readFile(join(source.dir, name)))
  await (source.spec.lora ? writeAdapter(dir, content) : writeModel(dir, content))
  await writeState(join(dir, OPTIMIZER_FILE), optimizer)
  for (const { name, ...companion } of content.companions ?? []) {
    await writeWeights(join(dir, `${name}.safetensors`), companion.model)
    if (!companion.optimizer) continue
    await writeState(join(dir, `${name}_optimizer.safetensors`), companion.optimizer)
    await writeSynced(join(dir, `${name}_optimizer.json`), `${JSON.stringify({ steps: companion.optimizer.steps })}\n`)
  }
  await writeSynced(join(dir, STATE_FILE), `${JSON.stringify(state, null, 2)}\n`)
}

async function writeModel(dir: string, { model, source, dtype }: CheckpointContent): Promise<void> {
  const plan = planSave(source, dtype)
  await writeSynced(join(dir, 'config.json'), plan.configText)
  await model.save(join(dir, 'model.safetensors'), plan.header, plan.sinks)
  if (dtype === 'F32' || (dtype === 'BF16' && model.dtype === 'bf16')) return
  await writeWeights(join(dir, WEIGHTS_FILE), model)
}

/** Every parameter in fp32 under our own names. */
async function writeWeights(file: string, model: SavableModel): Promise<void> {
  const weights = model.parameters().map(({ name, shape }) => ({ name, shape, dtype: 'F32' as const }))
  await model.save(file, buildHeader(weights), weights)
}

async function writeState(file: string, optimizer: SavableOptimizer): Promise<void> {
  const states = optimizer.states()
  await optimizer.save(file, buildHeader(states), states)
}

/** The adapters alone: the model they belong to is where it was. */
async function writeAdapter(dir: string, { model, source }: CheckpointContent): Promise<void> {
  const plan = planAdapterSave(source, resolve(source.dir))
  await writeSynced(join(dir, adapterConfigFile), plan.configText)
  await model.save(join(dir, adapterWeightsFile), plan.header, plan.sinks)
}

/**
 * Puts weights and optimizer back to where a checkpoint left them, bit for bit.
 *
 * @throws InputError when a file is missing, damaged, or belongs to another model.
 */
export async function restoreCheckpoint(
  dir: string,
  model: SavableModel,
  optimizer: SavableOptimizer,
  weights: TensorSource[],
): Promise<TrainerState> {
  const state = await readTrainerState(dir)
  const exact = join(dir, WEIGHTS_FILE)
  await model.load((await exists(exact)) ? await readSources(exact) : weights)
  await loadState(join(dir, OPTIMIZER_FILE), optimizer, state.optimizerSteps)
  return state
}

/** Puts the companions of a checkpoint back. @throws InputError when one of their files is missing or damaged. */
export async function restoreCompanions(dir: string, companions: readonly Companion[]): Promise<void> {
  for (const { name, model, optimizer } of companions) {
    await model.load(await readSources(join(dir, `${name}.safetensors`)))
    if (!optimizer) continue
    const file = join(dir, `${name}_optimizer.json`)
    const { steps } = await readJsonObject(file)
    if (!Number.isSafeInteger(steps) || (steps as number) < 0)
      throw new InputError(`${file} steps`, 'an integer >= 0', steps)
    await loadState(join(dir, `${name}_optimizer.safetensors`), optimizer, steps as number)
  }
}

/** @throws InputError when the file holds other state than the optimizer keeps. */
async function loadState(file: string, optimizer: SavableOptimizer, steps: number): Promise<void> {
  const { tensors } = await readSafetensors(file)
  const wanted = optimizer.states()
  const sources = wanted.map(({ name, dtype }) => {
    const found = tensors.get(name)
    if (found?.dtype !== dtype) throw new InputError(`${file} tensor "${name}"`, dtype, found?.dtype, settingsChanged)
    return { ...found, dtype, file }
  })
  if (tensors.size !== wanted.length)
    throw new InputError(file, `${wanted.length} tensors`, tensors.size, settingsChanged)
  await optimizer.load(sources, steps)
}

const settingsChanged = 'Resume with the optimizer.state, model.dtype and model.freeze that the run began with'

async function readSources(file: string): Promise<TensorSource[]> {
  const { tensors } = await readSafetensors(file)
  return [...tensors.values()].map((entry) => {
    const { dtype } = entry
    if (dtype !== 'F32') throw new InputError(`${file} tensor "${entry.name}"`, 'dtype F32', dtype)
    return { ...entry, dtype, file }
  })
}
