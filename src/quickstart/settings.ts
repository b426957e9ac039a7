/** The settings of the quickstart: a tiny Qwen2.5-VL, its data, and the two runs. */
import { join } from 'node:path'
import { type Config, configSchema } from '../config/schema.ts'
import type { CreateFolderOptions } from './model_folder.ts'

export interface QuickstartOptions {
  dir: string
  seed: number
  /** Reinforcement steps. */
  steps: number
  /** 0 = all cores. */
  threads: number
}

export const warmStartRows = 10000
export const warmStartSteps = 1200
export const trainRows = 6000
export const heldOutRows = 600
export const defaultSteps = 160
export const longestAnswer = 48

export const modelSizes: CreateFolderOptions['model'] = {
  ...{ vocab: 512, hidden: 128, layers: 4, heads: 4, kvHeads: 2, ffn: 384 },
  vision: { hidden: 96, layers: 2, heads: 4, ffn: 256, window: 112, fullBlocks: [1] },
}

/** Where the parts of a quickstart are; the reinforcement run is the folder itself. */
export const places = (dir: string) => ({
  data: join(dir, 'data'),
  model: join(dir, 'model'),
  warmStart: join(dir, 'warm_start'),
})

/** Imitation of worked and unworked solutions, from random weights, on rows of its own. */
export function warmStartConfig({ dir, seed, threads }: QuickstartOptions): Config {
  const { data, model, warmStart } = places(dir)
  return configSchema.parse({
    ...{ seed, threads },
    run: { dir: warmStart, overwrite: true },
    model: { path: model },
    data: { train: [join(data, 'warm_start.jsonl')] },
    algorithm: { trainer: 'sft' },
    optimizer: { lr: 1e-3, schedule: 'cosine', warmupSteps: 20, beta2: 0.95 },
    train: { steps: warmStartSteps, batchSize: 32 },
    report: { samples: 0 },
  })
}

/** Reinforcement from the warm start's weights. */
export function reinforceConfig({ dir, seed, steps, threads }: QuickstartOptions, start: string): Config {
  const { data } = places(dir)
  return configSchema.parse({
    ...{ seed, threads },
    run: { dir, overwrite: true },
    model: { path: start },
    data: { train: [join(data, 'train.jsonl')], eval: [join(data, 'held_out.jsonl')] },
    rollout: { promptsPerStep: 32, groupSize: 8, maxNewTokens: longestAnswer },
    rewards: [{ name: 'accuracy' }],
    optimizer: { lr: 1e-4, schedule: 'linear' },
    train: { steps },
    eval: { atStart: true },
  })
}
