/**
 * What a model family declares. A family is data plus three small functions; nothing outside `src/models` asks for a
 * family by name, and the native side only sees the features in `ModelSpec`.
 */

import type { ModelSpec } from '../native/types.ts'
import type { RawConfig } from './config_fields.ts'
import type { Positions, Visual } from './positions.ts'

/** The prefixes under which a checkpoint layout keeps its parts. */
export interface KeyLayout {
  text: string
  vision: string
  head: string
}

/** Token ids and rules of a family that sees images. */
export interface VisionTokens {
  image: number
  video: number
  start: number
  end: number
  /** Patches merged per side: one token stands for merge x merge patches. */
  merge: number
  /** Time positions per second of video. */
  tokensPerSecond: number
}

export interface Family {
  readonly name: string
  /** Values of `model_type` in config.json. */
  readonly modelTypes: readonly string[]
  /** Accepted checkpoint layouts; files may mix them. The first is written. */
  readonly layouts: readonly [KeyLayout, ...KeyLayout[]]
  /** Limits used when a folder has no processor file, in pixels of the resized image. */
  readonly imageLimits: { readonly minPixels: number; readonly maxPixels: number } | null

  /** Checks every field. Throws InputError naming the field. */
  readSpec(config: RawConfig): ModelSpec
  /** `null` for text families. */
  readVisionTokens(config: RawConfig): VisionTokens | null
  /** The config to save: the current form plus the fields older readers need. `dtype` as in config.json. */
  writeConfig(config: RawConfig, dtype: 'float32' | 'bfloat16' | 'float16'): Record<string, unknown>
  /** Positions of a prompt and of the token behind it. */
  positions(tokens: Int32Array, visuals: readonly Visual[], vision: VisionTokens | null): Positions
}

/** Declares a family and freezes it. */
export function defineFamily(family: Family): Family {
  return Object.freeze(family)
}
