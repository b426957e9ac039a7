/** `rft generate`: completions of one prompt, or of every row of a JSONL file. */
import { resolve } from 'node:path'
import type { Command } from 'commander'
import { InputError } from '../core/errors.ts'
import type { Completion, Row } from '../core/types.ts'
import type { Sampled } from '../rollout/collect.ts'
import type { OpenModel } from '../trainer/open_model.ts'
import { withInterrupts } from './interrupt.ts'
import type { Io } from './io.ts'
import { numberBetween, oneOf, collect as several, wholeNumber } from './options.ts'
import type { Context } from './program.ts'

export interface GenerateFlags {
  prompt?: string
  image?: string[]
  system?: string
  input?: string
  samples: number
  maxNewTokens: number
  temperature: number
  topK: number
  topP: number
  minP: number
  stop?: string[]
  seed: number
  json?: boolean
  device: 'auto' | 'cpu' | 'cuda'
  threads: number
  maxPromptTokens: number
}

export function addGenerate(program: Command, context: Context): void {
  program
    .command('generate <model>')
    .description('completions from a model folder')
    .option('-p, --prompt <text>', 'the question; - reads it from standard input')
    .option('-i, --image <file>', 'an image, put before the question; repeatable', several)
    .option('--system <text>', 'system message')
    .option('--input <file>', 'rows with prompt, messages or problem, one JSON object per line; - = standard input')
    .option('-n, --samples <n>', 'completions per prompt', wholeNumber(1), 1)
    .option('--max-new-tokens <n>', 'longest completion', wholeNumber(1), 256)
    .option('-t, --temperature <t>', '0 = greedy', numberBetween(0), 1)
    .option('--top-k <k>', '0 = off', wholeNumber(), 0)
    .option('--top-p <p>', '1 = off', numberBetween(0, 1), 1)
    .option('--min-p <p>', '0 = off', numberBetween(0, 1), 0)
    .option('--stop <text>', 'text that ends a completion; repeatable', several)
    .option('--seed <n>', 'the same seed gives the same completions', wholeNumber(), 0)
    .option('--json', 'one JSON object per prompt: text, token ids, log-probs, entropies')
    .option('--device <name>', 'auto, cpu or cuda', oneOf('auto', 'cpu', 'cuda'), 'auto' as const)
    .option('--threads <n>', '0 = all cores', wholeNumber(), 0)
    .option('--max-prompt-tokens <n>', 'longer prompts are refused', wholeNumber(1), 32768)
    .addHelpText(
      'after',
      `
Examples:
  rft generate models/Qwen2.5-VL-3B-Instruct --image chart.png --prompt "What is the highest bar?"
  rft generate runs/a/checkpoints/step-100 --prompt "2 + 2 = ?" --samples 4
  rft generate models/m --input questions.jsonl > answers.jsonl`,
    )
    .action((model: string, flags: GenerateFlags) =>
      withInterrupts(context.io, 'stopping', (signal) => generate(model, flags, context.io, signal)),
    )
}

const promptsAtOnce = 16

async function generate(dir: string, flags: GenerateFlags, io: Io, signal: AbortSignal): Promise<void> {
  if ((flags.prompt === undefined) === (flags.input === undefined))
    throw new InputError('rft generate', 'either --prompt or --input', flags.prompt === undefined ? 'neither' : 'both')
  const { openModel } = await import('../trainer/open_model.ts')
  const { portions } = await import('./json_lines.ts')
  const opened = await openModel(dir, { ...flags, signal })
  try {
    let done = 0
    for await (const rows of portions(rowsOf(flags, io), promptsAtOnce)) {
      for (const sampled of await sample(opened, rows, flags, done, signal))
        io.stdout.write(flags.json || flags.input !== undefined ? toJson(sampled) : toText(sampled.completions))
      done += rows.length
    }
  } finally {
    opened.dispose()
  }
}

async function* rowsOf(flags: GenerateFlags, io: Io): AsyncGenerator<Row> {
  const { readRow } = await import('../data/index.ts')
  if (flags.input === undefined) {
    const prompt = flags.prompt === '-' ? await readAll(io) : flags.prompt
    const images = (flags.image ?? []).map((file) => resolve(file))
    yield readRow({ prompt, images }, '--prompt', resolve('.'), { format: 'trl', system: flags.system ?? null })
    return
  }
  const { promptRow, readJsonLines } = await import('./json_lines.ts')
  for await (const line of readJsonLines(flags.input, io)) yield promptRow(line, flags.input, flags.system ?? null)
}

async function readAll(io: Io): Promise<string> {
  const parts = []
  for await (const part of io.stdin) parts.push(Buffer.from(part))
  return Buffer.concat(parts).toString('utf8').trimEnd()
}

/** @param done prompts before these; each prompt draws from random streams of its own. */
async function sample(
  { model, merge, decode, toPrompt, generateOptions }: OpenModel,
  rows: readonly Row[],
  flags: GenerateFlags,
  done: number,
  signal: AbortSignal,
): Promise<Sampled[]> {
  const { collect } = await import('../rollout/collect.ts')
  const prompts = await Promise.all(rows.map((row) => toPrompt(row)))
  const { temperature, topK, topP, minP, maxNewTokens, stop = [], seed, samples } = flags
  const settings = generateOptions({ temperature, topK, topP, minP, maxNewTokens, stop, seed })
  return collect(model, prompts, { ...settings, samples, merge, decode, step: done / promptsAtOnce }, { signal })
}

function toText(completions: readonly Completion[]): string {
  if (completions.length === 1) return `${completions[0]!.text}\n`
  return completions
    .map(
      ({ text, tokens, finish }, i) =>
        `--- ${i + 1} of ${completions.length}: ${tokens.length} tokens, ${finish}\n${text}\n`,
    )
    .join('')
}

function toJson({ prompt, completions }: Sampled): string {
  const answers = completions.map(({ text, tokens, logp, entropy, finish }) => ({
    ...{ text, finish },
    tokens: [...tokens],
    logps: [...logp],
    entropies: [...entropy],
  }))
  return `${JSON.stringify({ id: prompt.row.id, promptTokens: prompt.tokens.length, completions: answers })}\n`
}
