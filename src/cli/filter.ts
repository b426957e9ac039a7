/** `rft filter`: rows that are worth training on, by what a model can do, and its own best answers as targets to imitate. */

import { resolve } from 'node:path'
import type { Command } from 'commander'
import type { Config } from '../config/schema.ts'
import { InputError } from '../core/errors.ts'
import type { Group, Row } from '../core/types.ts'
import type { DifficultyOptions, Placed } from '../evaluation/difficulty.ts'
import { configOf } from './eval.ts'
import type { RowLog } from './filter/row_log.ts'
import { withInterrupts } from './interrupt.ts'
import type { Io } from './io.ts'
import { assign, numberBetween, oneOf, collect as several, wholeNumber } from './options.ts'
import type { Context } from './program.ts'

export interface FilterFlags {
  out: string
  data?: string[]
  model?: string
  set?: string[]
  by: 'accuracy' | 'tree-search'
  select: 'rows' | 'best'
  samples: number
  low?: number
  high?: number
  least: number
  rightBy?: string
  rounds: number
  branches: number
  depth: number
  exploration: number
  easy: number
  stepEnd: string
  together: number
}

export function addFilter(program: Command, context: Context): void {
  program
    .command('filter <run>')
    .description('keep the rows that are worth training on; or write the best answers as targets to imitate')
    .requiredOption('-o, --out <jsonl>', 'where the rows go; it appears when it is whole')
    .option('-d, --data <file>', 'rows, instead of data.train; repeatable', several)
    .option('--model <folder>', 'instead of the one that the run names')
    .option('-s, --set <key=value>', 'override a setting, e.g. rollout.maxNewTokens=512; repeatable', several)
    .option(
      '--by <measure>',
      'accuracy of samples, or tree-search',
      oneOf('accuracy', 'tree-search'),
      'accuracy' as const,
    )
    .option(
      '--select <what>',
      'rows as they are, or best: the best sample as target',
      oneOf('rows', 'best'),
      'rows' as const,
    )
    .option('-n, --samples <n>', 'accuracy: completions per row', wholeNumber(1), 8)
    .option('--low <share>', 'accuracy: keep rows from here (rows 0.1, best 0)', numberBetween(0, 1))
    .option('--high <share>', 'accuracy: and up to here (rows 0.9, best 1)', numberBetween(0, 1))
    .option('--least <reward>', 'best: a target has at least this reward', numberBetween(-1e9), 1)
    .option('--right-by <reward>', 'the reward that says what is right: above 0.5; else accuracy, else the first')
    .option('--rounds <n>', 'tree-search: give up after so many', wholeNumber(1), 50)
    .option('--branches <n>', 'tree-search: next steps tried at each place', wholeNumber(1), 3)
    .option('--depth <n>', 'tree-search: longest way to an answer, in steps', wholeNumber(1), 10)
    .option('--exploration <c>', 'tree-search: weight of exploration', numberBetween(0), 1)
    .option('--easy <n>', 'tree-search: keep rows that take more rounds, or are never solved', wholeNumber(0), 5)
    .option('--step-end <text>', 'tree-search: what ends a step', '\n\n')
    .option('--together <n>', 'rows worked on at once', wholeNumber(1), 16)
    .addHelpText(
      'after',
      `
<run> is a configuration, a run folder or a model folder; its rewards judge. A stopped command goes on where it was.

Examples:
  rft filter train.yaml --out medium.jsonl --samples 8 --low 0.1 --high 0.9
  rft filter train.yaml --out hard.jsonl --by tree-search --rounds 50 --easy 5
  rft filter runs/a --data train.jsonl --out targets.jsonl --select best`,
    )
    .action((run: string, flags: FilterFlags) =>
      withInterrupts(context.io, 'stopping', (signal) => filter(run, flags, context.io, signal)),
    )
}

async function filter(run: string, flags: FilterFlags, io: Io, signal: AbortSignal): Promise<void> {
  if (flags.by === 'tree-search' && flags.select === 'best')
    throw new InputError('--select', 'rows with --by tree-search', 'best', 'The best of samples needs --by accuracy')
  const { config } = await configOf(run, flags, assign('data.train', flags.data))
  const { checkRows, loadRows, requireSound } = await import('../data/index.ts')
  const { RowLog, partOf } = await import('./filter/row_log.ts')
  const rows = await loadRows(config.data.train, config.data)
  requireSound(await checkRows(rows))
  // As the data has them: what is written is read with a template again.
  const raw = await loadRows(config.data.train, { ...config.data, template: null, system: null })
  const log = await RowLog.open(flags.out, settingsOf(config, flags, rows))
  const told = (end: string) => io.stderr.write(`${log.done} of ${rows.length} rows, ${log.kept} kept${end}\n`)
  if (log.done > 0) told(`; going on from ${partOf(flags.out)}`)
  try {
    await work(config, flags, { rows, raw, log, told: () => told('') }, signal)
  } catch (error) {
    io.stderr.write(`${log.done} of ${rows.length} rows are done; the same command goes on\n`)
    throw error
  }
  const { kept } = log
  await log.finish()
  io.stdout.write(`${flags.out}: ${kept} of ${rows.length} rows\n`)
}

interface Work {
  rows: readonly Row[]
  /** Without the prompt template. */
  raw: readonly Row[]
  log: RowLog
  told: () => void
}

async function work(config: Config, flags: FilterFlags, { rows, raw, log, told }: Work, signal: AbortSignal) {
  const { openModel } = await import('../trainer/open_model.ts')
  const { openRewards } = await import('../trainer/open_rewards.ts')
  const { writtenRow } = await import('./filter/written_row.ts')
  const rewards = await openRewards(config.rewards, config)
  try {
    const opened = await openModel(config.model.path, { ...config, ...config.data, dtype: config.model.dtype, signal })
    try {
      const { model, merge, decode, toPrompt, generateOptions } = opened
      const stop = flags.by === 'tree-search' ? [flags.stepEnd] : config.rollout.stop
      const sampling = { ...generateOptions({ ...config.rollout, stop, seed: config.seed }), merge, decode }
      const rightBy = rightByOf(rewards.names, flags)
      const options: DifficultyOptions = { policy: model, rewards, rightBy, sampling, signal }
      const place = async (index: number) => ({ index, prompt: await toPrompt(rows[index]!) })
      const add = async (index: number, added: Record<string, unknown> | null) =>
        log.add(index, added && (await writtenRow(raw[index]!, index, flags.out, added)))
      const open = [...rows.keys()].filter((index) => !log.has(index))
      await (flags.by === 'tree-search' ? bySearch : byAccuracy)({ flags, options, open, place, add, told })
    } finally {
      opened.dispose()
    }
  } finally {
    rewards.dispose()
  }
}

interface Measure {
  flags: FilterFlags
  options: DifficultyOptions
  /** Rows without a finding. */
  open: readonly number[]
  place: (index: number) => Promise<Placed>
  /** @param added columns of a row that is kept, `null` = it is left out */
  add: (index: number, added: Record<string, unknown> | null) => Promise<void>
  told: () => void
}

async function byAccuracy({ flags, options, open, place, add, told }: Measure): Promise<void> {
  const { passRate, sampleRows } = await import('../evaluation/difficulty.ts')
  const isBest = flags.select === 'best'
  const [low, high] = [flags.low ?? (isBest ? 0 : 0.1), flags.high ?? (isBest ? 1 : 0.9)]
  for (const portion of neighbours(open, flags.together)) {
    const placed = await Promise.all(portion.map(place))
    for (const [k, group] of (await sampleRows(placed, flags.samples, options)).entries()) {
      const rate = passRate(group, options.rightBy)
      const added = isBest ? await targetOf(group, flags.least) : {}
      const keeps = rate >= low && rate <= high && added !== null
      await add(placed[k]!.index, keeps ? { ...added, pass_rate: rate } : null)
    }
    told()
  }
}

/** The best completion that is good enough. */
async function targetOf(group: Group, least: number): Promise<Record<string, unknown> | null> {
  const { bestSample } = await import('../methods/self_improvement.ts')
  const { toSampleGroup } = await import('../trainer/method_stages.ts')
  const best = bestSample(toSampleGroup(group), least)
  return best === null ? null : { target: group.completions[best]!.text }
}

async function bySearch({ flags, options, open, place, add, told }: Measure): Promise<void> {
  const { searchRows } = await import('../evaluation/difficulty.ts')
  const { isWorthTraining } = await import('../methods/tree_search.ts')
  const { branches, rounds, depth, exploration } = flags
  async function* placed() {
    for (const index of open) yield await place(index)
  }
  const search = { branches, rounds, depth, c: exploration }
  await searchRows(
    placed(),
    search,
    Math.min(flags.together, Math.max(1, open.length)),
    options,
    async (row, found) => {
      await add(row.index, isWorthTraining(found, flags.easy) ? { search_rounds: found } : null)
      told()
    },
  )
}

/** Runs of at most `size` rows that stand one behind the other, so that each draws from its own streams. */
function neighbours(indices: readonly number[], size: number): number[][] {
  const out: number[][] = []
  for (const index of indices) {
    const last = out.at(-1)
    if (last && last.length < size && last.at(-1) === index - 1) last.push(index)
    else out.push([index])
  }
  return out
}

function rightByOf(names: readonly string[], { rightBy }: FilterFlags): string {
  const name = rightBy ?? (names.includes('accuracy') ? 'accuracy' : names[0]!)
  if (!names.includes(name)) throw new InputError('--right-by', `one of ${names.join(', ')}`, name)
  return name
}

/** What the findings depend on; rows by their number and the first and last of them. */
function settingsOf({ model, data, rollout, rewards, seed }: Config, flags: FilterFlags, rows: readonly Row[]) {
  const { out: _out, together: _together, set: _set, data: _data, model: _model, ...measure } = flags
  const path = resolve(model.path)
  return { model: path, data, rollout, rewards, seed, measure, rows: [rows.length, rows[0]?.id, rows.at(-1)?.id] }
}
