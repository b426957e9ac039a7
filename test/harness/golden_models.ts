/** Reads the golden model vectors: prompts, completions and the numbers the original implementation gives for them. */

import { readFileSync } from 'node:fs'
import path from 'node:path'
import { readSafetensors, readTensor } from '../../src/checkpoint/safetensors.ts'
import type { Pack, VisionInput } from '../../src/native/types.ts'

export const models = path.join(import.meta.dirname, '..', 'fixtures', 'models')

export interface GoldenSample {
  prompt_ids: number[]
  completion_ids: number[]
  images?: string[]
  videos?: { name: string }[]
  image_grid_thw?: number[][]
  video_grid_thw?: number[][]
  mm_token_type_ids?: number[]
  /** Absent: the prompt's length. */
  first_generated_position?: number
  greedy?: { ids: number[] }
}

export interface GoldenCase {
  samples: GoldenSample[]
  loss_mean_nll: number
  completion_tokens: number
  grad_norm: number
  grads_stored_in_full: boolean
}

export function goldenCase(folder: string, name: string): GoldenCase {
  return JSON.parse(readFileSync(path.join(models, folder, 'vectors', `${name}.json`), 'utf8')) as GoldenCase
}

export async function floats(file: string, name: string): Promise<Float32Array> {
  const tensor = await readTensor(await readSafetensors(file), name)
  return Float32Array.from(tensor.data as Float32Array)
}

/** The sample as one segment: prompt + completion. */
export async function goldenPack(folder: string, name: string, index: number, positionsFrom = name): Promise<Pack> {
  const sample = goldenCase(folder, name).samples[index]!
  const tokens = Int32Array.from([...sample.prompt_ids, ...sample.completion_ids])
  const T = tokens.length
  const vectors = await readSafetensors(path.join(models, folder, 'vectors', `${positionsFrom}.safetensors`))
  const stored = vectors.tensors.has(`s${index}.position_ids`)
  const positionIds = stored
    ? Int32Array.from((await readTensor(vectors, `s${index}.position_ids`)).data as Int32Array, Number)
    : Int32Array.from({ length: 3 * T }, (_, i) => i % T)
  const segments = Int32Array.of(0, T, 0, 0, 0, T, 1)
  return { tokens, positionIds, segments, vision: await goldenVision(sample) }
}

async function goldenVision(sample: GoldenSample): Promise<VisionInput | null> {
  const media = [...(sample.images ?? []), ...(sample.videos ?? []).map((v) => v.name)]
  if (media.length === 0) return null
  const file = path.join(models, 'qwen2_vl', 'vectors', 'pixel_values.safetensors')
  const parts = await Promise.all(media.map((name) => floats(file, name)))
  const patches = new Float32Array(parts.reduce((n, p) => n + p.length, 0))
  let at = 0
  for (const part of parts) {
    patches.set(part, at)
    at += part.length
  }
  const grids = Int32Array.from([...(sample.image_grid_thw ?? []), ...(sample.video_grid_thw ?? [])].flat())
  const rows = Int32Array.from((sample.mm_token_type_ids ?? []).flatMap((type, row) => (type > 0 ? [row] : [])))
  return { keys: media, patches, grids, rows, features: rows.map((_, i) => i) }
}

export function maxAbsDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length) return Number.POSITIVE_INFINITY
  let worst = 0
  for (let i = 0; i < a.length; i++) {
    const d = Math.abs(a[i]! - b[i]!)
    if (!(d <= worst)) worst = d // NaN counts as worst
  }
  return worst
}

/** |a - b| / |b|, 0 when both are 0. */
export function relativeDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length) return Number.POSITIVE_INFINITY
  let difference = 0
  let norm = 0
  for (let i = 0; i < a.length; i++) {
    difference += (a[i]! - b[i]!) ** 2
    norm += b[i]! ** 2
  }
  return difference === 0 ? 0 : Math.sqrt(difference / norm)
}
