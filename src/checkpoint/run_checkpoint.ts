/**
 * Checkpoints of a run, each a folder that is also a complete Hugging Face model:
 *
 *   <run>/checkpoints/step-40/
 *     config.json  model.safetensors  tokenizer.json  ...    what transformers loads
 *     optimizer.safetensors                                  AdamW moments, fp32
 *     weights.safetensors                                    fp32 weights; only beside a model saved in 16 bits
 *     trainer_state.json                                     everything else that the next step depends on
 *
 * A run that trains adapters has `adapter_config.json` and `adapter_model.safetensors` in place of the model.
 *
 * A checkpoint is written to `.tmp-40`, flushed to the disk, and renamed: a folder called `step-*` is complete, whatever
 * happened. A failed save removes what it wrote and leaves every earlier checkpoint as it was.
 */

import { mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { InputError } from '../core/errors.ts'
import type { ParameterInfo, StorageDtype, TensorSink, TensorSource } from '../native/types.ts'
import { adapterConfigFile, adapterWeightsFile, planAdapterSave } from './adapter.ts'
import { exists, readJsonObject } from './files.ts'
import { listSideFiles, type ModelConfig, planSave } from './hf_folder.ts'
import { buildHeader, readSafetensors } from './safetensors.ts'

/** Everything besides tensors that the steps after a checkpoint depend on. */
export interface TrainerState {
  version: 1
  /** Steps completed. */
  step: number
  /** Updates the optimizer has counted. */
  optimizerSteps: number
  /** Training rows visited: the data cursor. */
  rowsSeen: number
  /** Sum of TRL's `num_tokens`. */
  numTokens: number
  /** Skipped steps in a row up to here. */
  skippedInARow: number
  /** Best value so far of the metric that `checkpoint.keepBest` names. */
  best: { metric: string; value: number; step: number } | null
  seed: number
  /** Fingerprint of the training data. */
  data: string
}

/** The parts of `Model` and `Optimizer` that are saved. */
export interface SavableModel {
  parameters(): ParameterInfo[]
  save(file: string, header: Uint8Array, sinks: TensorSink[]): Promise<void>
  load(sources: TensorSource[]): Promise<void>
}
export interface SavableOptimizer {
  readonly steps: number
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
}

const STATE_FILE = 'trainer_state.json'
const OPTIMIZER_FILE = 'optimizer.safetensors'
const WEIGHTS_FILE = 'weights.safetensors'

const folderOf = (runDir: string) => join(runDir, 'checkpoints')

/** The folder of one checkpoint. */
export const checkpointPath = (runDir: string, step: number) => join(folderOf(runDir), `step-${step}`)

/**
 * Writes a checkpoint; returns its folder.
 *
 * @throws the cause, naming the file, when something cannot be written (a full disk, no permission). Nothing of the
 *   failed checkpoint stays, and no other checkpoint is touched.
 */
export async function saveCheckpoint(runDir: string, content: CheckpointContent): Promise<string> {
  const { step } = content.state
  const target = checkpointPath(runDir, step)
  const temporary = join(folderOf(runDir), `.tmp-${step}`)
  try {
    await rm(temporary, { recursive: true, force: true })
    await mkdir(temporary, { recursive: true })
    await writeContent(temporary, content)
    await syncFolder(temporary)
    await rm(target, { recursive: true, force: true })
    await rename(temporary, target)
    await syncFolder(folderOf(runDir))
    return target
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
  const { model, optimizer, source, state } = content
  for (const name of await listSideFiles(source.dir))
    await writeSynced(join(dir, name), await readFile(join(source.dir, name)))
  await (source.spec.lora ? writeAdapter(dir, content) : writeModel(dir, content))
  const moments = model
    .parameters()
    .filter((p) => p.trainable)
    .flatMap(({ name, shape }) => ['m', 'v'].map((m) => ({ name: `${m}.${name}`, shape, dtype: 'F32' as const })))
  await optimizer.save(join(dir, OPTIMIZER_FILE), buildHeader(moments), moments)
  await writeSynced(join(dir, STATE_FILE), `${JSON.stringify(state, null, 2)}\n`)
}

async function writeModel(dir: string, { model, source, dtype }: CheckpointContent): Promise<void> {
  const plan = planSave(source, dtype)
  await writeSynced(join(dir, 'config.json'), plan.configText)
  await model.save(join(dir, 'model.safetensors'), plan.header, plan.sinks)
  if (dtype === 'F32') return
  const weights = model.parameters().map(({ name, shape }) => ({ name, shape, dtype: 'F32' as const }))
  await model.save(join(dir, WEIGHTS_FILE), buildHeader(weights), weights)
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
  const moments = await readSources(join(dir, OPTIMIZER_FILE))
  const wanted = model.parameters().filter((p) => p.trainable).length * 2
  if (moments.length !== wanted)
    throw new InputError(join(dir, OPTIMIZER_FILE), `${wanted} tensors`, moments.length, 'model.freeze has changed')
  await optimizer.load(moments, state.optimizerSteps)
  return state
}

async function readSources(file: string): Promise<TensorSource[]> {
  const { tensors } = await readSafetensors(file)
  return [...tensors.values()].map(({ name, offset, dtype, shape }) => {
    if (dtype !== 'F32') throw new InputError(`${file} tensor "${name}"`, 'dtype F32', dtype)
    return { name, file, offset, dtype, shape }
  })
}

/** Reads and checks `trainer_state.json`. */
export async function readTrainerState(dir: string): Promise<TrainerState> {
  const file = join(dir, STATE_FILE)
  const state = await readJsonObject(file)
  if (state.version !== 1) throw new InputError(`${file} version`, '1', state.version)
  for (const key of ['step', 'optimizerSteps', 'rowsSeen', 'numTokens', 'skippedInARow', 'seed'])
    if (!Number.isSafeInteger(state[key]) || (state[key] as number) < 0)
      throw new InputError(`${file} ${key}`, 'an integer >= 0', state[key])
  return state as unknown as TrainerState
}

/** Steps of the complete checkpoints of a run, oldest first. */
export async function listCheckpoints(runDir: string): Promise<number[]> {
  const names = await readdir(folderOf(runDir)).catch(() => [])
  return names
    .flatMap((name) => /^step-(\d+)$/.exec(name)?.[1] ?? [])
    .map(Number)
    .sort((a, b) => a - b)
}

/** Removes what an interrupted save left behind. */
export async function cleanStale(runDir: string): Promise<void> {
  for (const name of await readdir(folderOf(runDir)).catch(() => []))
    if (name.startsWith('.tmp-')) await rm(join(folderOf(runDir), name), { recursive: true, force: true })
}

/** Removes all checkpoints but the newest `keepLast` and the best one. */
export async function pruneCheckpoints(runDir: string, keepLast: number, bestStep: number | null): Promise<void> {
  const steps = await listCheckpoints(runDir)
  for (const step of steps.slice(0, Math.max(0, steps.length - keepLast)))
    if (step !== bestStep) await rm(checkpointPath(runDir, step), { recursive: true, force: true })
}

// ------------------------------------------------------------------ durable writes

async function writeSynced(file: string, content: string | Uint8Array): Promise<void> {
  const handle = await open(file, 'w')
  try {
    await handle.writeFile(content)
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** Makes the entries of a folder durable; Windows cannot open folders and does not need it. */
async function syncFolder(dir: string): Promise<void> {
  if (process.platform === 'win32') return
  const handle = await open(dir, 'r')
  await handle.sync().finally(() => handle.close())
}
