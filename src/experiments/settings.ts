/** The configuration of an arm: the quickstart's reinforcement, with what the arm changes laid over it. */
import { join } from 'node:path'
import { parseConfig } from '../config/load.ts'
import type { Config, ConfigInput } from '../config/schema.ts'
import { longestAnswer } from '../quickstart/settings.ts'
import type { Arm } from './define.ts'

export interface ArmPlace {
  /** Run folder of the arm. */
  dir: string
  /** Folder with `train.jsonl` and `held_out.jsonl`. */
  data: string
  /** Model folder of the weights to begin with. */
  model: string
  seed: number
  threads: number
  steps: number
}

/** Held-out rows that the curve of a run is drawn from; its outcome is measured on all of them. */
const rowsOnTheWay = 300
const evaluations = 5

/** @throws ConfigError when the settings of the arm are not valid. */
export function armConfig(arm: Arm, { dir, data, model, seed, threads, steps }: ArmPlace): Config {
  const shared: ConfigInput = {
    ...{ seed, threads },
    run: { dir },
    model: { path: model },
    data: {
      train: [arm.rows ? join(dir, armRowsName) : join(data, 'train.jsonl')],
      eval: [join(data, 'held_out.jsonl')],
      imageRoot: data,
    },
    rollout: { promptsPerStep: 32, groupSize: 8, maxNewTokens: longestAnswer },
    rewards: [{ name: 'accuracy' }],
    optimizer: { lr: 1e-4, schedule: 'linear' },
    train: { steps },
    eval: { every: Math.max(1, Math.ceil(steps / evaluations)), rows: rowsOnTheWay, atStart: true },
    report: { samples: 12 },
  }
  return parseConfig(JSON.stringify(overlay(shared, arm.settings)), `arm ${arm.name}`).config
}

/** The rows an arm trains on, in its run folder, when they are not all. */
export const armRowsName = 'train.jsonl'

/** `above` over `below`: sections are merged, everything else is replaced. */
function overlay(below: unknown, above: unknown): unknown {
  if (above === undefined) return below
  if (!isSection(below) || !isSection(above)) return above
  const keys = [...new Set([...Object.keys(below), ...Object.keys(above)])]
  return Object.fromEntries(keys.map((key) => [key, overlay(below[key], above[key])]))
}

const isSection = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
