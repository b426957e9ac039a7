/** `rft config import`: a configuration of TRL, verl or EasyR1, made ours, with a list of what became of each setting. */
import { existsSync, writeFileSync } from 'node:fs'
import type { Command } from 'commander'
import type { ImportReport, StyleName } from '../config/import/index.ts'
import { InputError, show } from '../core/errors.ts'
import { type Style, styleFor } from '../metrics/style.ts'
import { collect, oneOf, wholeNumber } from './options.ts'
import type { Context } from './program.ts'

interface ImportFlags {
  from?: StyleName
  rows?: number
  set?: string[]
  output?: string
}

export function addConfigImport(config: Command, context: Context): void {
  config
    .command('import <file>')
    .description('make a configuration from one of TRL, verl or EasyR1: YAML, a script, or an argument file')
    .option('--from <trainer>', 'easyr1, verl or trl; default: recognised by its keys', oneOf('easyr1', 'verl', 'trl'))
    .option('--rows <n>', 'rows of the training data, for runs whose length is given in epochs', wholeNumber(1))
    .option('-s, --set <key=value>', 'override a setting of the result, e.g. model.path=...; repeatable', collect)
    .option('-o, --output <file>', 'where to write it; default: standard output')
    .addHelpText(
      'after',
      `
Examples:
  rft config import EasyR1/examples/config.yaml -o mine.yaml
  rft config import run_qwen2_5_vl.sh --rows 2101 -o mine.yaml
  rft config import grpo.yaml --set model.path=models/m --set 'data.train=[rows.jsonl]' -o mine.yaml
  rft train mine.yaml

What became of every setting is listed on standard error. Scripts are read, never run.`,
    )
    .action((file: string, flags: ImportFlags) => runImport(file, flags, context))
}

async function runImport(file: string, { from, rows, set = [], output }: ImportFlags, { io }: Context): Promise<void> {
  const { importConfig, importedYaml } = await import('../config/import/index.ts')
  const { ConfigSource } = await import('../config/source.ts')
  const { parseConfig } = await import('../config/load.ts')
  const imported = importConfig(file, { from, rows })
  const source = new ConfigSource(importedYaml(imported, file), output ?? 'imported')
  for (const assignment of set) source.override(assignment)
  const text = source.text()
  io.stderr.write(describeImport(imported.report, styleFor(io.stderr, io.environment)))
  parseConfig(text, output ?? 'imported') // whatever came out is a configuration
  if (output === undefined) return void io.stdout.write(text)
  if (existsSync(output))
    throw new InputError(output, 'a file that is not there yet', 'one', 'Remove it, or name another')
  writeFileSync(output, text)
  io.stderr.write(`\n${output} written; look at it, then: rft train ${output}\n`)
}

/** What became of each setting. */
export function describeImport(report: ImportReport, style: Style): string {
  const setting = ({ key, value }: { key: string; value: unknown }) => `${key} = ${show(value)}`
  const mapped = report.mapped.flatMap(({ from, to }) => {
    const ours =
      to.length === 0 ? ['nothing to set'] : to.map((one) => `${setting(one)}${one.note ? `  ! ${one.note}` : ''}`)
    return [from.map(setting).join(', '), ...ours.map((line) => `    -> ${line}`)]
  })
  const needless = report.needless.map((one) => `${setting(one)}  (${one.why})`)
  const unknown = report.unknown.map(setting)
  const part = (title: string, lines: string[]) =>
    lines.length === 0 ? '' : `${style('bold', title)}\n${lines.map((line) => `  ${line}\n`).join('')}`
  return (
    part(`Settings of ${report.style} and what they became`, mapped) +
    part('Not needed here', needless) +
    part('Not known here, and not imported', unknown)
  )
}
