/**
 * What all arms start from: drawn pictures, and a model warmed up on them by imitation. Made once per seed and kept
 * beside the experiments, which share it.
 */
import { readFile, rename, writeFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import type { Config } from '../config/schema.ts'
import { InputError } from '../core/errors.ts'
import { generateShapes } from '../data/shapes/index.ts'
import type { MetricsSink } from '../metrics/types.ts'
import { createModel } from '../quickstart/model.ts'
import {
  longestAnswer,
  places,
  trainRows,
  warmStartConfig,
  warmStartRows,
  warmStartSteps,
} from '../quickstart/settings.ts'
import { train } from '../trainer/train.ts'
import { type Answers, answersOf } from './results.ts'

/** Rows to draw, and steps of imitation. */
export interface StartSizes {
  warmStart: number
  train: number
  heldOut: number
  steps: number
}

/** The quickstart's, with enough held-out rows that each of the rare kinds of question has more than a hundred. */
export const usualSizes: StartSizes = {
  warmStart: warmStartRows,
  train: trainRows,
  heldOut: 1500,
  steps: warmStartSteps,
}

export interface StartOptions {
  /** Folder of the start. */
  dir: string
  seed: number
  threads: number
  sizes?: StartSizes
}

export interface StartHooks {
  headline(text: string): void
  progress(config: Config): MetricsSink
  stop?: AbortSignal
}

export interface Start {
  /** Folder with `train.jsonl`, `held_out.jsonl` and their pictures. */
  data: string
  /** Model folder of the warmed-up weights. */
  model: string
  answers: Answers
}

/** @returns the start, made now unless it is there; `null` when asked to stop. */
export async function openStart(options: StartOptions, hooks: StartHooks): Promise<Start | null> {
  const { dir, seed, threads, sizes = usualSizes } = options
  const { data, model, warmStart } = places(dir)
  const done = await readStart(dir)
  if (done) return { data, model: join(dir, done.model), answers: done.answers }

  const { steps, ...rows } = sizes
  hooks.headline(`drawing ${rows.warmStart + rows.train} pictures to train on and ${rows.heldOut} held-out ones`)
  await generateShapes({ dir: data, seed, ...rows })
  await createModel(model, seed)

  const imitation = warmStartConfig({ dir, seed, threads, steps: 1 })
  const config: Config = {
    ...imitation,
    run: { dir: warmStart, overwrite: false },
    data: { ...imitation.data, eval: [join(data, 'held_out.jsonl')] },
    rollout: { ...imitation.rollout, maxNewTokens: longestAnswer },
    train: { ...imitation.train, steps },
  }
  hooks.headline(`warm start: ${config.train.steps} steps of imitation, shared by all experiments of seed ${seed}`)
  const { stopped, checkpoint, lastEvaluation } = await train(config, {
    ...{ resume: true, sinks: [hooks.progress(config)], stop: hooks.stop },
  })
  if (stopped) return null
  const stored = { model: relative(dir, checkpoint), answers: answersOf(lastEvaluation!) }
  await writeStart(dir, stored)
  return { data, model: checkpoint, answers: stored.answers }
}

const fileName = 'start.json'

/** `model` is relative to the folder of the start. */
type StoredStart = Omit<Start, 'data'>

async function writeStart(dir: string, start: StoredStart): Promise<void> {
  const file = join(dir, fileName)
  await writeFile(`${file}.tmp`, `${JSON.stringify(start, null, 2)}\n`)
  await rename(`${file}.tmp`, file)
}

async function readStart(dir: string): Promise<StoredStart | null> {
  const file = join(dir, fileName)
  try {
    return JSON.parse(await readFile(file, 'utf8')) as StoredStart
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw new InputError(file, 'the start of experiments (JSON)', (error as Error).message, 'Remove the folder')
  }
}
