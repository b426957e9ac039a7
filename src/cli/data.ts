/** `rft data`: draw the quickstart's rows, check rows, look at rows. */
import type { Command } from 'commander'
import type { Message, Row } from '../core/types.ts'
import { formatPercent } from '../metrics/format.ts'
import { exitCodes } from './errors.ts'
import { oneOf, wholeNumber } from './options.ts'
import type { Context } from './program.ts'

interface ReadFlags {
  format: 'auto' | 'easyr1' | 'trl'
  imageRoot?: string
}

export function addData(program: Command, context: Context): void {
  const data = program.command('data').description('draw, check and look at datasets')
  addShapes(data, context)
  data
    .command('check <files...>')
    .description('read every row, look for every image, and count what there is')
    .option('--format <name>', 'auto, easyr1 or trl', oneOf('auto', 'easyr1', 'trl'), 'auto' as const)
    .option('--image-root <folder>', 'where relative image paths start; else the folder of the file')
    .addHelpText('after', '\nEnds with 2 when a row is at fault.\n\nExample:\n  rft data check train.jsonl test.jsonl')
    .action((files: string[], flags: ReadFlags) => check(files, flags, context))
  data
    .command('preview <file>')
    .description('print the first rows as a run would read them')
    .option('-n, --rows <n>', 'how many', wholeNumber(1), 3)
    .option('--format <name>', 'auto, easyr1 or trl', oneOf('auto', 'easyr1', 'trl'), 'auto' as const)
    .option('--image-root <folder>', 'where relative image paths start; else the folder of the file')
    .addHelpText('after', '\nExample:\n  rft data preview train.jsonl --rows 5')
    .action(async (file: string, flags: ReadFlags & { rows: number }) => {
      const { readRows } = await import('../data/index.ts')
      let left = flags.rows
      for await (const row of readRows(file, flags)) {
        context.io.stdout.write(describeRow(row))
        if (--left === 0) break
      }
    })
}

function addShapes(data: Command, context: Context): void {
  data
    .command('shapes <folder>')
    .description('draw images of coloured shapes with questions: train.jsonl and held_out.jsonl')
    .option('--train <n>', 'rows to train on', wholeNumber(), 4000)
    .option('--held-out <n>', 'rows to evaluate on', wholeNumber(), 600)
    .option('--warm-start <n>', 'rows to imitate first: warm_start.jsonl', wholeNumber(), 0)
    .option('--size <pixels>', 'side of the images', wholeNumber(1), 84)
    .option('--seed <n>', 'the same seed draws the same rows', wholeNumber(), 0)
    .option('--sheet <png>', 'also draw a page of samples to look at')
    .addHelpText('after', '\nExample:\n  rft data shapes data/shapes --seed 0 --sheet shapes.png')
    .action(
      async (
        dir: string,
        flags: { train: number; heldOut: number; warmStart: number; size: number; seed: number; sheet?: string },
      ) => {
        const { contactSheet, generateShapes } = await import('../data/shapes/index.ts')
        const { train, heldOut, warmStart } = await generateShapes({ dir, ...flags })
        for (const { file, rows, kinds } of [train, heldOut, ...(warmStart ? [warmStart] : [])]) {
          context.io.stdout.write(`${file}: ${rows} rows\n`)
          for (const [kind, { rows: own, bestConstant }] of Object.entries(kinds))
            context.io.stdout.write(
              `  ${kind}: ${own} rows, always "${bestConstant.answer}" is right in ${formatPercent(bestConstant.share)}\n`,
            )
        }
        if (flags.sheet !== undefined) await contactSheet(dir, flags.sheet)
      },
    )
}

async function check(files: string[], flags: ReadFlags, context: Context): Promise<void> {
  const { checkRows, loadRows } = await import('../data/index.ts')
  const { stdout, stderr } = context.io
  const found = await checkRows(await loadRows(files, flags))
  stdout.write(`rows     ${found.rows}, ${found.answers} with an answer, ${found.targets} with a target\n`)
  stdout.write(`images   ${found.images} in ${found.imageFiles} files, ${found.missing.length} missing\n`)
  const columns = Object.entries(found.columns).map(([name, count]) => `${name} (${count})`)
  stdout.write(`columns  ${columns.join(', ') || 'none besides'}\n`)
  for (const problem of found.problems.slice(0, 20)) stderr.write(`error: ${problem.message}\n`)
  if (found.problems.length > 20) stderr.write(`error: and ${found.problems.length - 20} more rows\n`)
  if (found.problems.length > 0) context.exitCode = exitCodes.usage
}

function describeRow({ id, messages, images, answer, target }: Row): string {
  const lines = [
    id,
    ...messages.map((message) => `  ${message.role}: ${messageText(message)}`),
    ...images.map((image) => `  image: ${'bytes' in image ? `${image.bytes.length} bytes` : image.path}`),
    ...(answer === null ? [] : [`  answer: ${answer}`]),
    ...(target === null ? [] : [`  target: ${target}`]),
  ]
  return `${lines.join('\n')}\n`
}

function messageText({ content }: Message): string {
  if (typeof content === 'string') return content
  return content.map((part) => (part.type === 'text' ? part.text : '<image>')).join('')
}
