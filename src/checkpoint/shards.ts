/** Finds the weight files of a model folder: one `model.safetensors`, or shards listed by an index. */

import { basename, join } from 'node:path'
import { InputError } from '../core/errors.ts'
import { exists, readJsonObject } from './files.ts'
import { readSafetensors, type SafetensorsFile, type TensorEntry } from './safetensors.ts'

export interface WeightTensor extends TensorEntry {
  file: string
}

/**
 * Every tensor of the folder's weight files. Throws InputError for a missing file or shard, a tensor that the index
 * promises but the shard lacks, and a tensor that occurs in two shards.
 */
export async function readWeightTensors(dir: string): Promise<Map<string, WeightTensor>> {
  const index = join(dir, 'model.safetensors.index.json')
  if (await exists(index)) return readSharded(dir, index)
  const single = join(dir, 'model.safetensors')
  if (!(await exists(single)))
    throw new InputError(dir, 'model.safetensors or model.safetensors.index.json', 'neither', convertHint)
  return collect([await readSafetensors(single)])
}

const convertHint = 'Other weight formats must be converted to safetensors first'

async function readSharded(dir: string, index: string): Promise<Map<string, WeightTensor>> {
  const { weight_map: map } = await readJsonObject(index)
  if (typeof map !== 'object' || map === null || Array.isArray(map))
    throw new InputError(`${index} weight_map`, 'an object of tensor -> file', map)
  const places = Object.entries(map as Record<string, unknown>)
  const names = [...new Set(places.map(([, file]) => checkShardName(index, file)))]
  const shards = new Map<string, SafetensorsFile>()
  for (const name of names) shards.set(name, await readSafetensors(join(dir, name)))
  for (const [tensor, file] of places)
    if (!shards.get(file as string)!.tensors.has(tensor))
      throw new InputError(`${join(dir, file as string)}`, `tensor "${tensor}", as ${basename(index)} says`, 'none')
  return collect([...shards.values()])
}

/** A shard is a file of the same folder: an index must not reach anywhere else. */
function checkShardName(index: string, name: unknown): string {
  if (typeof name !== 'string' || name === '' || basename(name) !== name || name.includes('\\') || name === '..')
    throw new InputError(`${index} weight_map`, 'file names without a folder', name)
  return name
}

function collect(files: SafetensorsFile[]): Map<string, WeightTensor> {
  const out = new Map<string, WeightTensor>()
  for (const { file, tensors } of files) {
    for (const [name, tensor] of tensors) {
      const other = out.get(name)
      if (other) throw new InputError(file, `tensors of its own`, `"${name}", which ${other.file} holds too`)
      out.set(name, { ...tensor, file })
    }
  }
  return out
}
