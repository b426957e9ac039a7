/** All model families. To add one: one file with `defineFamily`, one line here. */

import { InputError } from '../core/errors.ts'
import type { RawConfig } from './config_fields.ts'
import type { Family } from './define.ts'
import { qwen2 } from './qwen2.ts'
import { qwen2_5_vl } from './qwen2_5_vl.ts'

export const families = { qwen2, qwen2_5_vl } as const

/**
 * The family of a parsed `config.json`, by its `model_type`.
 * Throws InputError with the known ones for an unknown or absent `model_type`.
 */
export function familyOf(config: RawConfig): Family {
  const list: Family[] = Object.values(families)
  const type = config.model_type
  const family = list.find(({ modelTypes }) => modelTypes.includes(type as string))
  if (!family)
    throw new InputError('config.json model_type', list.flatMap((f) => f.modelTypes).join(' or '), type, unknownRemedy)
  if (config.quantization_config)
    throw new InputError('config.json quantization_config', 'none', config.quantization_config, quantised)
  return family
}

const unknownRemedy = 'This model family is not supported'
const quantised = 'Quantised checkpoints cannot be trained'

export { checkpointKey, checkpointKeyMap, checkpointShape } from './checkpoint_keys.ts'
export type { RawConfig } from './config_fields.ts'
export type { Family, KeyLayout, VisionTokens } from './define.ts'
export {
  adapterKey,
  adapterKeyMap,
  adapterShapes,
  type LoraSettings,
  linearNames,
  loraSpec,
  moduleLayout,
  moduleName,
  uniformAdapter,
} from './lora.ts'
export { type ParameterShape, parameterCount, parameterShapes } from './parameters.ts'
export { mropePositions, type Positions, plainPositions, type Visual, visualTokens } from './positions.ts'
