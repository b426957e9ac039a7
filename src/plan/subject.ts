/** What is planned: a run's configuration, or a model alone with the default settings of a run. */

import { stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { readJsonObject } from '../checkpoint/files.ts'
import { type ModelConfig, openConfig } from '../checkpoint/hf_folder.ts'
import { loadConfig, parseConfig } from '../config/load.ts'
import type { Config } from '../config/schema.ts'
import { InputError } from '../core/errors.ts'
import { familyOf } from '../models/index.ts'

export interface Subject {
  config: Config
  model: ModelConfig
}

/**
 * Opens a run's YAML file, a model folder, or a config.json.
 *
 * @param overrides `a.b.c=value`
 * @throws InputError for a path that is none of these.
 */
export async function openSubject(path: string, overrides: readonly string[] = []): Promise<Subject> {
  const info = await stat(path).catch(() => null)
  if (!info) throw new InputError(path, 'a configuration file, a model folder or a config.json', 'nothing')
  if (!info.isDirectory() && !path.endsWith('.json')) {
    const { config } = await loadConfig(path, overrides)
    return { config, model: await openConfig(config.model.path) }
  }
  const model = info.isDirectory() ? await openConfig(path) : await openFile(path)
  const text = JSON.stringify({ ...stub, model: { path: model.dir } })
  return { config: parseConfig(text, path, overrides).config, model }
}

/** Required keys that have no meaning without a run. */
const stub = { run: { dir: 'planned' }, data: { train: ['planned'] }, train: { steps: 1 } }

async function openFile(file: string): Promise<ModelConfig> {
  const config = await readJsonObject(file)
  const family = familyOf(config)
  return { dir: dirname(file), family, config, spec: family.readSpec(config) }
}
