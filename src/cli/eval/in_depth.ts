/** The long form of `rft eval`: samples and intervals, benchmarks, a page, and the rows themselves. */
import { writeFile } from 'node:fs/promises'
import { basename } from 'node:path'
import type { Config } from '../../config/schema.ts'
import { InputError } from '../../core/errors.ts'
import type { Prompt, Row } from '../../core/types.ts'
import { checkRows, loadRows, requireSound } from '../../data/index.ts'
import { applyTemplate } from '../../data/template.ts'
import { benchmarks, readBenchmark } from '../../evaluation/benchmarks/index.ts'
import { drawEvaluation, figures, formatEstimate } from '../../evaluation/page.ts'
import { evaluateSampled, type SampledEvaluation, type Summary } from '../../evaluation/sampled.ts'
import type { RewardRunner, RewardSpec } from '../../rollout/reward_runner.ts'
import { openModel } from '../../trainer/open_model.ts'
import { openRewards } from '../../trainer/open_rewards.ts'
import { readImageBytes } from '../../vision/index.ts'
import { type EvalFlags, promptsOf } from '../eval.ts'
import type { Context } from '../program.ts'

export async function evaluateInDepth(
  config: Config,
  flags: EvalFlags,
  { io }: Context,
  signal: AbortSignal,
): Promise<void> {
  const rows = await readRows(config, flags)
  requireSound(await checkRows(rows))
  const rewards = await openRewards(rewardsOf(config, flags), config)
  try {
    const rightBy = rightByOf(rewards, flags)
    const opened = await openModel(config.model.path, { ...config, ...config.data, signal })
    try {
      const { model, merge, decode, toPrompt, generateOptions } = opened
      const temperature = flags.temperature ?? config.rollout.temperature
      const settings = { ...config.rollout, temperature, seed: config.seed }
      const evaluation = await evaluateSampled(promptsOf(rows, toPrompt), {
        ...{ policy: model, rewards, rightBy, signal, blind: flags.blind ?? false },
        sampling: { ...generateOptions(settings), merge, decode },
        maxNewTokens: config.eval.maxNewTokens ?? config.rollout.maxNewTokens,
        samples: flags.samples ?? 0,
        sourceOf: (prompt: Prompt) => sourceOf(prompt.row, flags.by ?? 'source'),
        onProgress: (done) => io.stderr.write(`${done} of ${rows.length} rows\n`),
      })
      await writeFiles(evaluation, rows, config, flags)
      const { rows: _, ...numbers } = evaluation
      io.stdout.write(flags.json ? `${JSON.stringify({ rightBy, ...numbers }, null, 2)}\n` : table(evaluation))
    } finally {
      opened.dispose()
    }
  } finally {
    rewards.dispose()
  }
}

async function readRows(config: Config, { benchmark, benchmarkFiles }: EvalFlags): Promise<Row[]> {
  const { data, eval: evaluation } = config
  const first = (rows: Row[]) => (evaluation.rows > 0 ? rows.slice(0, evaluation.rows) : rows)
  if (benchmark) {
    if (benchmarkFiles === undefined)
      throw new InputError('--benchmark-files', `the folder of ${benchmark}`, undefined, benchmarks[benchmark].about)
    const rows = first(await readBenchmark(benchmarks[benchmark], benchmarkFiles, data.template === null ? null : ''))
    return rows.map((row) => ({ ...row, messages: applyTemplate(row.messages, data) }))
  }
  if (data.eval.length === 0)
    throw new InputError('data.eval', 'files of held-out rows', 'none', 'Set data.eval, or name a file with --data.')
  return first(await loadRows(data.eval, data))
}

/** A benchmark brings its own judge. */
function rewardsOf({ rewards }: Config, { benchmark }: EvalFlags): readonly RewardSpec[] {
  if (!benchmark) return rewards
  const { about, score } = benchmarks[benchmark]
  return [{ reward: { name: 'accuracy', description: about, parameters: {}, score } }]
}

function rightByOf({ names }: RewardRunner, { rightBy }: EvalFlags): string {
  const name = rightBy ?? (names.includes('accuracy') ? 'accuracy' : names[0]!)
  if (!names.includes(name)) throw new InputError('--right-by', `one of ${names.join(', ')}`, name)
  return name
}

function sourceOf({ columns }: Row, column: string): string {
  const value = Object.hasOwn(columns, column) ? columns[column] : undefined
  return typeof value === 'string' || typeof value === 'number' ? String(value) : 'all'
}

async function writeFiles(
  evaluation: SampledEvaluation,
  rows: readonly Row[],
  config: Config,
  flags: EvalFlags,
): Promise<void> {
  const { page, completions, benchmark, blind } = flags
  const what = benchmark ?? config.data.eval.map((file) => basename(file)).join(', ')
  const line = [`model ${config.model.path}`, what, ...(blind ? ['images greyed'] : [])].join(' · ')
  if (page !== undefined) {
    const refs = new Map(rows.map(({ id, images }) => [id, images]))
    const images = (id: string) => (refs.get(id) ?? []).map((ref) => readImageBytes(ref, id).catch(() => null))
    await writeFile(page, await drawEvaluation(evaluation, { title: `Evaluation: ${what}`, line, images }))
  }
  if (completions !== undefined)
    await writeFile(completions, evaluation.rows.map((row) => `${JSON.stringify(row)}\n`).join(''))
}

/** One line per source, one for all. */
function table({ all, sources, samples }: SampledEvaluation): string {
  const line = (name: string, summary: Summary) => [
    ...[name, String(summary.rows)],
    ...figures(summary, samples).map(([, estimate]) => formatEstimate(estimate)),
  ]
  const head = ['', 'rows', ...figures(all, samples).map(([name]) => name)]
  const own = sources.length > 1 ? sources.map(({ source, summary }) => line(source, summary)) : []
  const rows = [head, ...own, line('all', all)]
  const widths = head.map((_, c) => Math.max(...rows.map((row) => row[c]!.length)))
  const text = (row: string[]) =>
    row.map((cell, c) => (c === 0 ? cell.padEnd(widths[c]!) : cell.padStart(widths[c]!))).join('  ')
  return `${rows.map(text).join('\n')}\n`
}
