/** From a YAML file and `--set` flags to a checked `Config`, and back to the file a run keeps. */
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { InputError } from '../core/errors.ts'
import { ConfigError, toErrors } from './messages.ts'
import { presetOf, presetValue } from './presets.ts'
import { type Config, configSchema } from './schema.ts'
import { ConfigSource } from './source.ts'

export const resolvedConfigName = 'config.resolved.yaml'

export interface LoadedConfig {
  config: Config
  /** Where the value of a dotted key comes from: `config.yaml:4:10`, `--set`, a preset with its source, or `default`. */
  origin(key: string): string
}

/**
 * @param file named in messages
 * @param overrides `a.b.c=value`, later ones win
 * @throws ConfigError with every problem and its line and column
 * @example parseConfig('model: { path: m }\n...', 'config.yaml', ['train.steps=3']).config.train.steps // 3
 */
export function parseConfig(text: string, file: string, overrides: readonly string[] = []): LoadedConfig {
  const source = new ConfigSource(text, file)
  for (const assignment of overrides) source.override(assignment)
  const value = source.value()
  const parsed = configSchema.safeParse(value)
  if (!parsed.success) throw new ConfigError(toErrors(parsed.error.issues, value, source))
  const preset = presetOf(value)
  const origin = (key: string) => {
    if (source.has(key.split('.'))) return source.place(key.split('.'))
    if (preset === null || presetValue(preset, key) === undefined) return 'default'
    return `preset ${parsed.data.algorithm.preset}: ${preset.source}`
  }
  return { config: parsed.data, origin }
}

/** @throws InputError when the file cannot be read; ConfigError as `parseConfig`. */
export async function loadConfig(file: string, overrides: readonly string[] = []): Promise<LoadedConfig> {
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (error) {
    throw new InputError(file, 'a readable configuration file', (error as NodeJS.ErrnoException).code ?? String(error))
  }
  return parseConfig(text, file, overrides)
}

/** The whole configuration as YAML; reading it back gives the same configuration. */
export function stringifyConfig(config: Config): string {
  return `# Every setting of this run, defaults included. Relative paths start from the folder rft was started in.\n${stringify(config)}`
}

/** Writes `config.resolved.yaml` into the run folder, which is created when missing. */
export async function writeResolvedConfig(runDir: string, config: Config): Promise<void> {
  await mkdir(runDir, { recursive: true })
  await writeFile(join(runDir, resolvedConfigName), stringifyConfig(config))
}
