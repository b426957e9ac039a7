/**
 * What `rft filter` has found so far, row by row, beside the file it will write. A stopped command goes on from it; the file
 * itself appears when it is whole.
 *
 *   rows.jsonl.part   {"settings": ..}   {"index": 0, "row": {..}}   {"index": 1, "row": null}   ..
 */

import { appendFile, readFile, rename, rm, truncate } from 'node:fs/promises'
import { dirname } from 'node:path'
import { syncFolder, writeSynced } from '../../checkpoint/durable.ts'
import { exists } from '../../checkpoint/files.ts'
import { InputError } from '../../core/errors.ts'

type Written = Record<string, unknown> | null

export class RowLog {
  private constructor(
    private readonly out: string,
    private readonly found: Map<number, Written>,
  ) {}

  /**
   * @param settings everything that the findings depend on
   * @throws InputError when `out` is there already, and when the log is one of other settings.
   */
  static async open(out: string, settings: unknown): Promise<RowLog> {
    if (await exists(out))
      throw new InputError(out, 'a file that is not there yet', 'one', 'Remove it, or name another')
    const part = partOf(out)
    const head = `${JSON.stringify({ settings })}\n`
    if (!(await exists(part))) {
      await writeSynced(part, head)
      return new RowLog(out, new Map())
    }
    const text = await readFile(part, 'utf8')
    if (!text.startsWith(head))
      throw new InputError(part, 'the findings of these settings', 'others', 'Remove it to start over')
    // A line that was being written when the process ended is written again.
    const whole = text.slice(0, text.lastIndexOf('\n') + 1)
    await truncate(part, Buffer.byteLength(whole))
    const lines = whole.slice(head.length).split('\n').filter(Boolean)
    const entries = lines.map((line) => JSON.parse(line) as { index: number; row: Written })
    return new RowLog(out, new Map(entries.map(({ index, row }) => [index, row])))
  }

  has(index: number): boolean {
    return this.found.has(index)
  }

  get done(): number {
    return this.found.size
  }

  get kept(): number {
    return [...this.found.values()].filter((row) => row !== null).length
  }

  /** @param row what to write, `null` = the row is left out */
  async add(index: number, row: Written): Promise<void> {
    await appendFile(partOf(this.out), `${JSON.stringify({ index, row })}\n`)
    this.found.set(index, row)
  }

  /** Writes the rows that are kept, in the order of the data. */
  async finish(): Promise<void> {
    const rows = [...this.found].sort(([a], [b]) => a - b).flatMap(([, row]) => (row === null ? [] : [row]))
    const temporary = `${this.out}.tmp`
    await writeSynced(temporary, rows.map((row) => `${JSON.stringify(row)}\n`).join(''))
    await rename(temporary, this.out)
    await syncFolder(dirname(this.out))
    await rm(partOf(this.out))
  }
}

export const partOf = (out: string) => `${out}.part`
