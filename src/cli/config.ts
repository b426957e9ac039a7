/** `rft config`: what the settings mean, and what a configuration file comes to. */
import type { Command } from 'commander'
import type { KeyDoc } from '../config/explain.ts'
import { type Style, styleFor } from '../metrics/style.ts'
import { addConfigImport } from './config_import.ts'
import { collect } from './options.ts'
import type { Context } from './program.ts'

export function addConfig(program: Command, context: Context): void {
  const config = program.command('config').description('explain the settings; show what a configuration file comes to')
  config
    .command('explain [key]')
    .description('documentation, type and default of a setting, or of all of them')
    .option('-c, --config <file>', 'also show the value in this file and where it comes from')
    .option('-s, --set <key=value>', 'override a setting of the file; repeatable', collect)
    .addHelpText(
      'after',
      '\nExamples:\n  rft config explain\n  rft config explain rollout.groupSize\n  rft config explain optimizer --config train.yaml',
    )
    .action((key: string | undefined, options: { config?: string; set?: string[] }) =>
      explainKey(key ?? '', options, context),
    )
  config
    .command('show <file>')
    .description('check a configuration file and print it with every default filled in')
    .option('-s, --set <key=value>', 'override a setting; repeatable', collect)
    .addHelpText('after', '\nExample:\n  rft config show train.yaml --set optimizer.lr=1e-5')
    .action(async (file: string, options: { set?: string[] }) => {
      const { loadConfig, stringifyConfig } = await import('../config/load.ts')
      const { config } = await loadConfig(file, options.set ?? [])
      context.io.stdout.write(stringifyConfig(config))
    })
  addConfigImport(config, context)
  config
    .command('schema')
    .description('JSON schema of the configuration file, for editors')
    .action(async () => {
      const { configJsonSchema } = await import('../config/explain.ts')
      context.io.stdout.write(`${JSON.stringify(configJsonSchema(), null, 2)}\n`)
    })
}

async function explainKey(key: string, options: { config?: string; set?: string[] }, { io }: Context): Promise<void> {
  const { explain, leafKeys } = await import('../config/explain.ts')
  const { loadConfig } = await import('../config/load.ts')
  const loaded = options.config === undefined ? null : await loadConfig(options.config, options.set ?? [])
  const style = styleFor(io.stdout, io.environment)
  const doc = explain(key)
  const keys = doc.keys.length === 0 || doc.type.startsWith('list') ? [doc] : leafKeys(key).map(explain)
  if (keys.length > 1 || keys[0] !== doc) io.stdout.write(`${doc.about}\n\n`)
  for (const one of keys) {
    io.stdout.write(describe(one, style))
    if (loaded) io.stdout.write(`  now      ${show(valueAt(loaded.config, one.key))}  (${loaded.origin(one.key)})\n`)
  }
}

function describe(doc: KeyDoc, style: Style): string {
  const value = doc.required ? 'none, it is required' : show(doc.default)
  const entries = doc.keys.length > 0 ? `\n  entries  ${doc.keys.join(', ')}` : ''
  const about = doc.about.replaceAll('\n', '\n  ')
  return `${style('bold', doc.key)}\n  ${about}\n  type     ${doc.type}${entries}\n  default  ${value}\n`
}

const show = (value: unknown) => (value === undefined ? 'none' : JSON.stringify(value))

function valueAt(config: unknown, key: string): unknown {
  return key
    .split('.')
    .reduce<unknown>(
      (node, part) => (typeof node === 'object' && node !== null ? (node as Record<string, unknown>)[part] : undefined),
      config,
    )
}
