/** `rft eval`: accuracy and rewards on held-out rows, and on benchmarks. */
import { existsSync } from 'node:fs'
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Command } from 'commander'
import type { LoadedConfig } from '../config/load.ts'
import type { Config } from '../config/schema.ts'
import { InputError } from '../core/errors.ts'
import type { Row } from '../core/types.ts'
import { type BenchmarkName, benchmarkNames } from '../evaluation/benchmarks/names.ts'
import { formatNumber, formatPercent } from '../metrics/format.ts'
import type { Evaluation } from '../trainer/evaluate.ts'
import { withInterrupts } from './interrupt.ts'
import { assign, collect, numberBetween, oneOf, wholeNumber } from './options.ts'
import type { Context } from './program.ts'

export interface EvalFlags {
  model?: string
  data?: string[]
  rows?: number
  blind?: boolean
  set?: string[]
  json?: boolean
  samples?: number
  temperature?: number
  benchmark?: BenchmarkName
  benchmarkFiles?: string
  by?: string
  rightBy?: string
  page?: string
  completions?: string
}

export function addEval(program: Command, context: Context): void {
  program
    .command('eval <run>')
    .description(
      'evaluate on held-out rows or a benchmark; <run>: a run folder (newest checkpoint), a configuration file, a model folder',
    )
    .option('-m, --model <folder>', 'model folder instead of the one that <run> names')
    .option('-d, --data <file>', 'rows instead of data.eval; repeatable', collect)
    .option('--rows <n>', 'only the first n rows', wholeNumber(1))
    .option('--samples <k>', 'also draw k completions per row: mean@k, maj@k, pass@k', wholeNumber(1))
    .option('--temperature <t>', 'of the samples; default: rollout.temperature', numberBetween(0.01, 10))
    .option('--benchmark <name>', benchmarkNames.join(', '), oneOf(...benchmarkNames))
    .option('--benchmark-files <path>', 'folder or file of the benchmark, as it is published')
    .option('--by <column>', 'count rows apart by this column', 'source')
    .option('--right-by <reward>', 'the reward that says what is right; default: accuracy, else the first')
    .option('--page <file>', 'also write a page (HTML) with the numbers and the answers behind them')
    .option('--completions <file>', 'also write every row with its completions and scores (JSONL)')
    .option('--blind', 'grey out the images: what can be answered without seeing?')
    .option('-s, --set <key=value>', 'override a setting; repeatable', collect)
    .option('--json', 'as JSON')
    .addHelpText(
      'after',
      `
Examples:
  rft eval runs/a
  rft eval runs/a --blind
  rft eval runs/a --samples 8 --page eval.html
  rft eval train.yaml --model models/m --data test.jsonl
  rft eval models/Qwen2.5-VL-3B-Instruct --benchmark mathvista --benchmark-files data/MathVista --set eval.maxNewTokens=2048

Shares have 95 % confidence intervals. A benchmark asks with its own instruction unless data.template is set.`,
    )
    .action((run: string, flags: EvalFlags) =>
      withInterrupts(context.io, 'stopping', async (signal) => {
        const own = [...assign('data.eval', flags.data), ...assign('eval.rows', flags.rows)]
        const { config } = await configOf(run, flags, own)
        const { samples, benchmark, page, completions } = flags
        if (samples !== undefined || benchmark || page || completions) {
          const { evaluateInDepth } = await import('./eval/in_depth.ts')
          return evaluateInDepth(config, flags, context, signal)
        }
        const found = await evaluateConfig(config, flags, signal)
        const { groups: _, ...numbers } = found
        context.io.stdout.write(flags.json ? `${JSON.stringify(numbers, null, 2)}\n` : formatEvaluation(found))
      }),
    )
}

/**
 * The configuration of a run by its file, its folder, or a model folder.
 *
 * @param own assignments of the command's own options
 */
export async function configOf(
  run: string,
  flags: { set?: string[]; model?: string },
  own: readonly string[],
): Promise<LoadedConfig> {
  const { loadConfig, parseConfig, resolvedConfigName } = await import('../config/load.ts')
  const isFolder = (await stat(run).catch(() => null))?.isDirectory() ?? false
  if (isFolder && existsSync(join(run, 'config.json'))) {
    // A model folder: everything else by default; nothing is trained, so what training needs does not matter.
    const bare = { run: { dir: '.' }, model: { path: run }, data: { train: ['none'] }, train: { steps: 1 } }
    return parseConfig(JSON.stringify(bare), run, [...(flags.set ?? []), ...own])
  }
  const model = flags.model ?? (isFolder ? await newestCheckpoint(run) : undefined)
  const overrides = [...(flags.set ?? []), ...assign('model.path', model), ...own]
  return loadConfig(isFolder ? join(run, resolvedConfigName) : run, overrides)
}

async function newestCheckpoint(runDir: string): Promise<string> {
  const { checkpointPath, listCheckpoints } = await import('../checkpoint/retention.ts')
  const newest = (await listCheckpoints(runDir)).at(-1)
  if (newest === undefined)
    throw new InputError(runDir, 'a run folder with a checkpoint', 'none', 'Name a model folder with --model.')
  return checkpointPath(runDir, newest)
}

async function evaluateConfig(config: Config, { blind }: EvalFlags, signal: AbortSignal): Promise<Evaluation> {
  const { checkRows, loadRows, requireSound } = await import('../data/index.ts')
  const { evaluate } = await import('../trainer/evaluate.ts')
  const { openModel } = await import('../trainer/open_model.ts')
  const { openRewards } = await import('../trainer/open_rewards.ts')
  if (config.data.eval.length === 0)
    throw new InputError('data.eval', 'files of held-out rows', 'none', 'Set data.eval, or name a file with --data.')
  const all = await loadRows(config.data.eval, config.data)
  const rows = config.eval.rows > 0 ? all.slice(0, config.eval.rows) : all
  requireSound(await checkRows(rows))
  const rewards = await openRewards(config.rewards, config)
  try {
    const opened = await openModel(config.model.path, { ...config, ...config.data, dtype: config.model.dtype, signal })
    try {
      const { model, merge, decode, toPrompt, generateOptions } = opened
      const sampling = { ...generateOptions({ ...config.rollout, seed: config.seed }), merge, decode }
      const maxNewTokens = config.eval.maxNewTokens ?? config.rollout.maxNewTokens
      return await evaluate(promptsOf(rows, toPrompt), {
        policy: model,
        rewards,
        sampling,
        maxNewTokens,
        blind,
        signal,
      })
    } finally {
      opened.dispose()
    }
  } finally {
    rewards.dispose()
  }
}

const promptsAtOnce = 16

export async function* promptsOf<T>(rows: readonly Row[], toPrompt: (row: Row) => Promise<T>): AsyncGenerator<T> {
  for (let begin = 0; begin < rows.length; begin += promptsAtOnce)
    yield* await Promise.all(rows.slice(begin, begin + promptsAtOnce).map((row) => toPrompt(row)))
}

export function formatEvaluation({ rows, accuracy, perKind, metrics }: Evaluation): string {
  const table: [string, string][] = [['rows', String(rows)]]
  if (accuracy !== null) table.push(['accuracy', formatPercent(accuracy)])
  for (const [kind, own] of Object.entries(perKind))
    table.push([
      `  ${kind}`,
      `${formatPercent(own.accuracy)}  (${own.rows} rows, best constant answer ${formatPercent(own.bestConstant)})`,
    ])
  for (const [name, value] of Object.entries(metrics))
    if (/^eval_(reward|rewards\/.+\/mean|completions\/(mean_length|clipped_ratio))$/.test(name))
      table.push([name.slice('eval_'.length), formatNumber(value)])
  const width = Math.max(...table.map(([name]) => name.length)) + 2
  return table.map(([name, value]) => `${name.padEnd(width)}${value}\n`).join('')
}
