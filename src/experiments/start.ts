/**
 * What all arms start from: drawn pictures, and a model warmed up on them by imitation. Made once per seed and kept
 * beside the experiments, which share it.
 */
import { join, relative } from 'node:path'
import { z } from 'zod'
import type { Config } from '../config/schema.ts'
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
import { readJson, writeJson } from './json_file.ts'
import { type Answers, answersOf, answersSchema } from './results.ts'

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
  const file = join(dir, fileName)
  const done = await readJson(file, startSchema, 'the start of experiments')
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
  await writeJson(file, stored)
  return { data, model: checkpoint, answers: stored.answers }
}

const fileName = 'start.json'

/** `model` is relative to the folder of the start. */
const startSchema = z.object({ model: z.string().min(1), answers: answersSchema })
