/**
 * `rft score`: log-prob and entropy of every token of given completions.
 *
 * In, one JSON object per line: `prompt` (text or messages) or `messages` or `problem`, with `images` where there are any; or
 * `prompt_ids`, token ids without image tokens. And `completion` (text) or `completion_ids`.
 * Out, one JSON object per line in the same order: `{id, tokens, logps, entropies, logp}`, `logp` the sum.
 */
import type { Command } from 'commander'
import { InputError } from '../core/errors.ts'
import type { Prompt } from '../core/types.ts'
import type { PackGroup } from '../rollout/pack.ts'
import type { OpenModel } from '../trainer/open_model.ts'
import { withInterrupts } from './interrupt.ts'
import type { Io } from './io.ts'
import type { JsonLine } from './json_lines.ts'
import { numberBetween, oneOf, wholeNumber } from './options.ts'
import type { Context } from './program.ts'

export interface ScoreFlags {
  eos?: boolean
  temperature: number
  tokensPerPass: number
  device: 'auto' | 'cpu' | 'cuda'
  threads: number
  maxPromptTokens: number
}

export function addScore(program: Command, context: Context): void {
  program
    .command('score <model> [file]')
    .description('log-probs and entropies of given completions; JSON lines in (- = standard input), JSON lines out')
    .option('--eos', 'score the end of the turn behind each completion text as well')
    .option('-t, --temperature <t>', 'logits are divided by this', numberBetween(1e-3), 1)
    .option('--tokens-per-pass <n>', 'token budget of one forward pass: memory, not results', wholeNumber(1), 4096)
    .option('--device <name>', 'auto, cpu or cuda', oneOf('auto', 'cpu', 'cuda'), 'auto' as const)
    .option('--threads <n>', '0 = all cores', wholeNumber(), 0)
    .option('--max-prompt-tokens <n>', 'longer prompts are refused', wholeNumber(1), 32768)
    .addHelpText(
      'after',
      `
Lines in:   {"prompt": "2 + 2 = ?", "completion": "4"}
            {"messages": [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "What is this?"}]}],
             "images": ["cat.png"], "completion": "A cat."}
            {"prompt_ids": [9707, 11], "completion_ids": [1879, 0]}
Lines out:  {"id": "rows.jsonl:1", "tokens": [19], "logps": [-0.31], "entropies": [0.84], "logp": -0.31}

Example:
  rft score models/m rows.jsonl > scores.jsonl`,
    )
    .action((model: string, file: string | undefined, flags: ScoreFlags) =>
      withInterrupts(context.io, 'stopping', (signal) => score(model, file ?? '-', flags, context.io, signal)),
    )
}

const rowsAtOnce = 32

async function score(dir: string, file: string, flags: ScoreFlags, io: Io, signal: AbortSignal): Promise<void> {
  const { openModel } = await import('../trainer/open_model.ts')
  const { portions, readJsonLines } = await import('./json_lines.ts')
  const opened = await openModel(dir, { ...flags, signal })
  try {
    for await (const lines of portions(readJsonLines(file, io), rowsAtOnce)) {
      const groups = await Promise.all(lines.map((line) => readGroup(line, file, flags, opened)))
      io.stdout.write(await scoreGroups(groups, flags, opened, signal))
    }
  } finally {
    opened.dispose()
  }
}

async function scoreGroups(
  groups: readonly PackGroup[],
  flags: ScoreFlags,
  { model, merge }: OpenModel,
  signal: AbortSignal,
): Promise<string> {
  const { packGroups } = await import('../rollout/pack.ts')
  const options = { tokenBudget: flags.tokensPerPass, temperature: flags.temperature, merge }
  const lines: string[] = new Array(groups.length)
  for (const batch of packGroups(groups, options)) {
    const { logp, entropy } = await model.score(batch.pack, batch.head, { signal })
    for (const { group, completion, begin, length } of batch.completions) {
      const logps = [...logp.subarray(begin, begin + length)]
      const { prompt, completions } = groups[group]!
      lines[group] = `${JSON.stringify({
        id: prompt.row.id,
        tokens: [...completions[completion]!],
        logps,
        entropies: [...entropy.subarray(begin, begin + length)],
        logp: logps.reduce((sum, value) => sum + value, 0),
      })}\n`
    }
  }
  return lines.join('')
}

async function readGroup(line: JsonLine, file: string, flags: ScoreFlags, opened: OpenModel): Promise<PackGroup> {
  const { value, where } = line
  const prompt = value.prompt_ids === undefined ? await readPrompt(line, file, opened) : fromIds(line, opened)
  const completion =
    value.completion_ids === undefined
      ? encodeText(value.completion, `${where} completion`, flags, opened)
      : readIds(value.completion_ids, `${where} completion_ids`, opened)
  if (completion.length === 0) throw new InputError(where, 'a completion of at least one token', 'none')
  return { prompt, completions: [completion] }
}

async function readPrompt(line: JsonLine, file: string, { toPrompt }: OpenModel): Promise<Prompt> {
  const { promptRow } = await import('./json_lines.ts')
  // The completion is not part of the prompt, whatever its form.
  const { completion: _, ...value } = line.value
  return toPrompt(promptRow({ ...line, value }, file, null))
}

function encodeText(text: unknown, where: string, { eos }: ScoreFlags, { tokenizer }: OpenModel): Int32Array {
  if (typeof text !== 'string') throw new InputError(where, 'a text, or token ids in completion_ids', text)
  return eos ? tokenizer.encodeCompletion(text) : Int32Array.from(tokenizer.encode(text))
}

function fromIds({ value, where }: JsonLine, opened: OpenModel): Prompt {
  const { family, config } = opened.checkpoint
  const vision = family.readVisionTokens(config)
  const tokens = readIds(value.prompt_ids, `${where} prompt_ids`, opened)
  if (tokens.length === 0) throw new InputError(`${where} prompt_ids`, 'at least one token id', 'none')
  if (vision && tokens.includes(vision.image))
    throw new InputError(`${where} prompt_ids`, 'no image tokens', vision.image, 'Give images as prompt and images.')
  const { positionIds, nextPosition } = family.positions(tokens, [], vision)
  const row = { id: where, messages: [], images: [], answer: null, target: null, columns: {} }
  return { row, tokens, positionIds, images: [], imageRows: new Int32Array(), nextPosition }
}

function readIds(value: unknown, where: string, { model }: OpenModel): Int32Array {
  const { vocab } = model.spec.decoder
  if (!Array.isArray(value) || !value.every((id) => Number.isInteger(id) && id >= 0 && id < vocab))
    throw new InputError(where, `a list of token ids from 0 to ${vocab - 1}`, value)
  return Int32Array.from(value as number[])
}
