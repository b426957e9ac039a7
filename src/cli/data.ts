/** `rft data`: draw the quickstart's rows, check rows, look at rows. */

import { writeFile } from 'node:fs/promises'
import type { Command } from 'commander'
import type { InputError } from '../core/errors.ts'
import type { ImageRef, Message, Row } from '../core/types.ts'
import type { FormatName } from '../data/index.ts'
import { formatPercent } from '../metrics/format.ts'
import { exitCodes } from './errors.ts'
import { oneOf, wholeNumber } from './options.ts'
import type { Context } from './program.ts'

interface ReadFlags {
  format: FormatName | 'auto'
  imageRoot?: string
}

interface PreviewFlags extends ReadFlags {
  rows: number
  page?: string
  model?: string
}

const formatNames = ['auto', 'easyr1', 'trl', 'verl', 'vlm-r1', 'swift', 'openrlhf', 'r1-v'] as const
const names = `Data is JSONL, JSON, parquet, a dataset folder or a hub dataset, with @split behind it.\nFormats: ${formatNames.join(', ')}`

export function addData(program: Command, context: Context): void {
  const data = program.command('data').description('draw, check and look at datasets')
  addShapes(data, context)
  readOptions(data.command('check <data...>'))
    .description('read every row, look for every image, and count what there is')
    .addHelpText(
      'after',
      `\n${names}\nEnds with 2 when a row is at fault.\n\nExamples:\n  rft data check train.jsonl test.jsonl\n  rft data check hiyouga/geometry3k@train`,
    )
    .action((files: string[], flags: ReadFlags) => check(files, flags, context))
  readOptions(data.command('preview <data>'))
    .description('show the first rows as a run would read them, in the terminal or as a page')
    .option('-n, --rows <n>', 'how many', wholeNumber(1), 3)
    .option('--page <html>', 'write a page with images and rendered prompts')
    .option('--model <folder>', "render prompts with this model's chat template")
    .addHelpText(
      'after',
      `\n${names}\n\nExamples:\n  rft data preview train.jsonl --rows 5\n  rft data preview clevr/@train -n 40 --page rows.html --model models/m`,
    )
    .action((file: string, flags: PreviewFlags) => preview(file, flags, context))
}

function readOptions(command: Command): Command {
  return command
    .option(
      '--format <name>',
      'column layout; auto = by the columns of each row',
      oneOf(...formatNames),
      'auto' as const,
    )
    .option('--image-root <folder>', 'where relative image paths start; else the folder of the file or dataset')
}

async function preview(file: string, flags: PreviewFlags, context: Context): Promise<void> {
  const { readRows } = await import('../data/index.ts')
  const rows: Row[] = []
  for await (const row of readRows(file, flags)) {
    rows.push(row)
    if (rows.length === flags.rows) break
  }
  const render = flags.model === undefined ? null : await renderer(flags.model)
  if (flags.page === undefined) {
    for (const row of rows) context.io.stdout.write(render ? `${row.id}\n${render(row)}\n` : describeRow(row))
    return
  }
  const { drawRowsPage } = await import('../report/rows_page.ts')
  const { readImageBytes } = await import('../vision/index.ts')
  const plain = (row: Row) => row.messages.map((message) => `${message.role}: ${messageText(message)}`).join('\n\n')
  const readImage = (ref: ImageRef, row: Row) => readImageBytes(ref, row.id)
  const page = await drawRowsPage({ title: file, rows, render: render ?? plain, readImage })
  await writeFile(flags.page, page)
  context.io.stdout.write(`${flags.page}: ${rows.length} rows\n`)
}

/** Prompts by the chat template of a model folder. */
async function renderer(model: string): Promise<(row: Row) => string> {
  const { ChatTemplate, Tokenizer } = await import('../text/index.ts')
  const template = await ChatTemplate.load(model, (await Tokenizer.load(model)).namedTokens)
  return (row) => template.render(row.messages, row.id)
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
  const unreadable: InputError[] = []
  const formats = new Map<string, number>()
  const rows = await loadRows(files, {
    ...flags,
    onProblem: (problem) => unreadable.push(problem),
    onFormat: (format) => formats.set(format, (formats.get(format) ?? 0) + 1),
  })
  const found = await checkRows(rows)
  const problems = [...unreadable, ...found.problems]
  stdout.write(`rows     ${found.rows}, ${found.answers} with an answer, ${found.targets} with a target\n`)
  stdout.write(`formats  ${listed(formats)}\n`)
  stdout.write(`images   ${found.images} in ${found.imageFiles} files, ${found.missing.length} missing\n`)
  stdout.write(`columns  ${listed(new Map(Object.entries(found.columns))) || 'none besides'}\n`)
  for (const problem of problems.slice(0, 20)) stderr.write(`error: ${problem.message}\n`)
  if (problems.length > 20) stderr.write(`error: and ${problems.length - 20} more rows\n`)
  if (problems.length > 0) context.exitCode = exitCodes.usage
}

const listed = (counts: ReadonlyMap<string, number>) =>
  [...counts].map(([name, count]) => `${name} (${count})`).join(', ')

function describeRow({ id, messages, images, answer, target }: Row): string {
  const lines = [
    id,
    ...messages.map((message) => `  ${message.role}: ${messageText(message)}`),
    ...images.map((image) => `  image: ${describeImage(image)}`),
    ...(answer === null ? [] : [`  answer: ${answer}`]),
    ...(target === null ? [] : [`  target: ${target}`]),
  ]
  return `${lines.join('\n')}\n`
}

function describeImage(image: ImageRef): string {
  if ('bytes' in image) return `${image.bytes.length} bytes`
  return 'stored' in image ? `${image.stored.size} bytes` : image.path
}

function messageText({ content }: Message): string {
  if (typeof content === 'string') return content
  return content.map((part) => (part.type === 'text' ? part.text : '<image>')).join('')
}
