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
      train: [join(arm.rows ? dir : data, rowsNames.train)],
      eval: [join(arm.heldOut ? dir : data, rowsNames.heldOut)],
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

/** Files of rows, in the folder of the start, and in the run folder of an arm that sees them otherwise. */
export const rowsNames = { train: 'train.jsonl', heldOut: 'held_out.jsonl' } as const

/** `above` over `below`: sections are merged, everything else is replaced. */
function overlay(below: unknown, above: unknown): unknown {
  if (above === undefined) return below
  if (!isSection(below) || !isSection(above)) return above
  const keys = [...new Set([...Object.keys(below), ...Object.keys(above)])]
  return Object.fromEntries(keys.map((key) => [key, overlay(below[key], above[key])]))
}

const isSection = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
