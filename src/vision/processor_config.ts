/** The image settings of a model folder: `processor_config.json` (current) or `preprocessor_config.json` (older). */

import { join } from 'node:path'
import { exists, readJsonObject } from '../checkpoint/files.ts'
import { InputError } from '../core/errors.ts'
import { ConfigFields } from '../models/config_fields.ts'
import type { Family } from '../models/index.ts'
import type { VisionSpec } from '../native/types.ts'
import type { PatchRule } from './patchify.ts'

export interface ProcessorSettings extends PatchRule {
  /** Limits of the resized image, in pixels. */
  minPixels: number
  maxPixels: number
}

const CLIP_MEAN = [0.48145466, 0.4578275, 0.40821073] as const
const CLIP_STD = [0.26862954, 0.26130258, 0.27577711] as const
const BICUBIC = 3

/**
 * Reads the settings and checks them against the vision tower. Without a file the family's defaults apply.
 * Throws InputError for steps that are switched off, another resampling filter, or sizes the model does not have.
 */
export async function readProcessorSettings(
  dir: string,
  family: Family,
  vision: VisionSpec,
): Promise<ProcessorSettings> {
  const fields = await findFields(dir)
  for (const step of ['do_resize', 'do_rescale', 'do_normalize'])
    fields.only(step, [true], 'Images are always resized, rescaled and normalised')
  fields.only('resample', [BICUBIC], 'Only bicubic resampling is supported')
  const temporal = vision.patchDim / (3 * vision.patchSize ** 2)
  const same = { patch_size: vision.patchSize, merge_size: vision.merge, temporal_patch_size: temporal }
  for (const [key, value] of Object.entries(same)) fields.only(key, [value], 'config.json says so')
  return {
    patchSize: vision.patchSize,
    merge: vision.merge,
    temporal,
    mean: triple(fields, 'image_mean', CLIP_MEAN),
    std: triple(fields, 'image_std', CLIP_STD),
    rescale: fields.positive('rescale_factor', 1 / 255),
    ...limits(fields, family),
  }
}

async function findFields(dir: string): Promise<ConfigFields> {
  const current = join(dir, 'processor_config.json')
  if (await exists(current)) {
    const fields = new ConfigFields(await readJsonObject(current), current)
    if (fields.has('image_processor')) return fields.object('image_processor')
  }
  const older = join(dir, 'preprocessor_config.json')
  if (await exists(older)) return new ConfigFields(await readJsonObject(older), older)
  return new ConfigFields({}, current)
}

/** Both are pixel counts, whatever the `edge` in the newer names says. */
function limits(fields: ConfigFields, family: Family): { minPixels: number; maxPixels: number } {
  const size = fields.object('size')
  const pick = (direct: string, edge: string, fallback: number | undefined) =>
    fields.has(direct) ? fields.size(direct) : size.has(edge) ? size.size(edge) : size.size(direct, fallback)
  const minPixels = pick('min_pixels', 'shortest_edge', family.imageLimits?.minPixels)
  const maxPixels = pick('max_pixels', 'longest_edge', family.imageLimits?.maxPixels)
  if (minPixels > maxPixels) throw new InputError(`${fields.where} size`, `at most ${maxPixels} pixels`, minPixels)
  return { minPixels, maxPixels }
}

function triple(
  fields: ConfigFields,
  key: string,
  fallback: readonly [number, number, number],
): readonly [number, number, number] {
  const value = fields.values[key] ?? fallback
  const ok = Array.isArray(value) && value.length === 3 && value.every((n) => Number.isFinite(n))
  if (!ok || (key === 'image_std' && value.includes(0)))
    throw new InputError(`${fields.where} ${key}`, 'three finite numbers', value)
  return value as unknown as readonly [number, number, number]
}
