/**
 * Prompts and completions -> packs for the engine, the shared prompt computed once:
 *
 *   tokens     [ prompt A ][ a1 ][ a2 ][ a3 ][ prompt B ][ b1 ][ b2 ]
 *   segments     causal     each completion sees its whole prompt (region 0) and itself (region 1, causal)
 *   head rows    last row of prompt A predicts the first token of a1, a2 and a3; row j of a1 predicts its token j + 1
 *
 * The last token of a completion predicts nothing, so it is a target only and takes no row. Images are told apart by
 * their content key: each distinct one is in a pack once. Micro-batches are filled first-fit, in order, up to a token
 * budget; a prompt whose completions do not fit together is repeated in the next micro-batch. With
 * `shared: false` every completion gets a prompt of its own (the naive packing that the tests and benchmarks compare).
 */

import { InputError } from '../core/errors.ts'
import type { Prompt } from '../core/types.ts'
import type { HeadRows, Pack } from '../native/types.ts'
import { ImageTable } from './images.ts'

/** A prompt and the token rows that follow it: a group's completions, or one SFT target. */
export interface PackGroup {
  prompt: Prompt
  /** (G) of (R_i) token ids, R_i >= 1. */
  completions: Int32Array[]
}

export interface PackOptions {
  /** Rows of one micro-batch. A single prompt and completion over the budget gets a micro-batch to itself. */
  tokenBudget: number
  /** Logits are divided by this before the log-prob. */
  temperature: number
  /** Side of the vision tower's merge block. */
  merge: number
  /** `false` repeats the prompt for each completion. */
  shared?: boolean
}

/** Where the tokens of one completion are among the head rows of a micro-batch. */
export interface PackedCompletion {
  group: number
  completion: number
  /** First head row. */
  begin: number
  length: number
}

export interface MicroBatch {
  pack: Pack
  head: HeadRows
  completions: PackedCompletion[]
  /** Rows the naive packing would have had on top of this pack's. */
  tokensSaved: number
}

/** Part of a group that goes into one micro-batch together, behind one copy of the prompt. */
interface Piece {
  group: number
  completions: number[]
  rows: number
}

/**
 * Packs groups into micro-batches. Completions that are absent (empty token rows) are refused.
 *
 * @returns micro-batches in order; together they hold every completion exactly once.
 * @throws InputError for an empty completion.
 */
export function packGroups(groups: readonly PackGroup[], options: PackOptions): MicroBatch[] {
  const bins: { pieces: Piece[]; rows: number }[] = []
  for (const piece of groups.flatMap((group, index) => split(group, index, options))) {
    const bin = bins.find((b) => b.rows + piece.rows <= options.tokenBudget)
    if (bin) {
      bin.pieces.push(piece)
      bin.rows += piece.rows
    } else bins.push({ pieces: [piece], rows: piece.rows })
  }
  return bins.map(({ pieces }) => build(groups, pieces, options))
}

/** Values per completion spread over the head rows of a micro-batch. */
export function spread(batch: MicroBatch, pick: (completion: PackedCompletion) => number): Float32Array {
  const out = new Float32Array(batch.head.rows.length)
  for (const c of batch.completions) out.fill(pick(c), c.begin, c.begin + c.length)
  return out
}

/** Token rows per completion laid out along the head rows of a micro-batch. */
export function gather(batch: MicroBatch, pick: (completion: PackedCompletion) => Float32Array): Float32Array {
  const out = new Float32Array(batch.head.rows.length)
  for (const c of batch.completions) out.set(pick(c), c.begin)
  return out
}

/** Cuts a group into pieces that respect the budget where a single completion does. */
function split(group: PackGroup, index: number, { tokenBudget, shared = true }: PackOptions): Piece[] {
  const promptRows = group.prompt.tokens.length
  const pieces: Piece[] = []
  for (const [i, tokens] of group.completions.entries()) {
    if (tokens.length === 0)
      throw new InputError(`${group.prompt.row.id}: completion ${i}`, 'at least one token', 'none')
    const own = tokens.length - 1
    const open = pieces.at(-1)
    if (shared && open && open.rows + own <= tokenBudget) {
      open.completions.push(i)
      open.rows += own
    } else pieces.push({ group: index, completions: [i], rows: promptRows + own })
  }
  return pieces
}

function build(groups: readonly PackGroup[], pieces: readonly Piece[], options: PackOptions): MicroBatch {
  const writer = new PackWriter(
    pieces.reduce((sum, piece) => sum + piece.rows, 0),
    new ImageTable(options.merge),
  )
  const completions: PackedCompletion[] = []
  let tokensSaved = 0
  for (const piece of pieces) {
    const { prompt, completions: all } = groups[piece.group]!
    const promptBegin = writer.addPrompt(prompt)
    for (const index of piece.completions) {
      const begin = writer.addCompletion(prompt, promptBegin, all[index]!)
      completions.push({ group: piece.group, completion: index, begin, length: all[index]!.length })
    }
    tokensSaved += (piece.completions.length - 1) * prompt.tokens.length
  }
  return { pack: writer.pack(), head: writer.head(options.temperature), completions, tokensSaved }
}

/** Writes prompts and completions one behind the other into the arrays of a pack of `total` rows. */
class PackWriter {
  private readonly tokens: Int32Array
  private readonly positionIds: Int32Array
  private readonly segments: number[] = []
  private readonly rows: number[] = []
  private readonly targets: number[] = []
  private at = 0

  constructor(
    private readonly total: number,
    private readonly images: ImageTable,
  ) {
    this.tokens = new Int32Array(total)
    this.positionIds = new Int32Array(3 * total)
  }

  /** @returns the prompt's first row. */
  addPrompt(prompt: Prompt): number {
    const begin = this.at
    const count = prompt.tokens.length
    this.tokens.set(prompt.tokens, begin)
    for (let axis = 0; axis < 3; axis++)
      this.positionIds.set(prompt.positionIds.subarray(axis * count, (axis + 1) * count), axis * this.total + begin)
    this.segments.push(begin, count, 0, 0, begin, count, 1)
    this.images.add(prompt, begin)
    this.at += count
    return begin
  }

  /** @returns the completion's first head row. */
  addCompletion(prompt: Prompt, promptBegin: number, completion: Int32Array): number {
    const headBegin = this.rows.length
    const begin = this.at
    const inputs = completion.length - 1
    this.rows.push(promptBegin + prompt.tokens.length - 1)
    for (let j = 0; j < inputs; j++) this.rows.push(begin + j)
    for (const token of completion) this.targets.push(token)
    if (inputs === 0) return headBegin
    this.tokens.set(completion.subarray(0, inputs), begin)
    for (let axis = 0; axis < 3; axis++)
      for (let j = 0; j < inputs; j++) this.positionIds[axis * this.total + begin + j] = prompt.nextPosition + j
    this.segments.push(begin, inputs, promptBegin, prompt.tokens.length, begin, inputs, 1)
    this.at += inputs
    return headBegin
  }

  pack(): Pack {
    const { tokens, positionIds } = this
    return { tokens, positionIds, segments: Int32Array.from(this.segments), vision: this.images.toInput() }
  }

  head(temperature: number): HeadRows {
    return { rows: Int32Array.from(this.rows), targets: Int32Array.from(this.targets), temperature }
  }
}
