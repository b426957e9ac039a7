/**
 * The completions of a step as a table, in the file and with the columns of TRL's `log_completions`:
 * `completions/completions_00040.parquet` with step (text, as there), prompt, completion, one column per reward function,
 * and advantage.
 */
import { mkdir, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

export const completionsFolder = 'completions'

export interface CompletionRow {
  prompt: string
  completion: string
  /** Per reward function; `null` = it had no value. */
  rewards: Readonly<Record<string, number | null>>
  advantage: number
}

const columnsOfTrl = new Set(['step', 'prompt', 'completion', 'advantage'])

/** Writes the table of one step whole, or not at all. @returns its path. */
export async function writeCompletions(runDir: string, step: number, rows: readonly CompletionRow[]): Promise<string> {
  const { parquetWriteBuffer } = await import('hyparquet-writer')
  const rewards = [...new Set(rows.flatMap((row) => Object.keys(row.rewards)))]
  const numbers = (name: string, data: (number | null)[]) => ({ name, data, type: 'DOUBLE' as const, nullable: true })
  const text = (name: string, data: string[]) => ({ name, data, type: 'STRING' as const, nullable: false })
  const buffer = parquetWriteBuffer({
    createdBy: 'rft',
    columnData: [
      text(
        'step',
        rows.map(() => String(step)),
      ),
      text(
        'prompt',
        rows.map((row) => row.prompt),
      ),
      text(
        'completion',
        rows.map((row) => row.completion),
      ),
      ...rewards.map((name) =>
        numbers(
          columnsOfTrl.has(name) ? `${name}_reward` : name,
          rows.map((row) => row.rewards[name] ?? null),
        ),
      ),
      numbers(
        'advantage',
        rows.map((row) => row.advantage),
      ),
    ],
  })
  const folder = join(runDir, completionsFolder)
  await mkdir(folder, { recursive: true })
  const file = join(folder, `completions_${String(step).padStart(5, '0')}.parquet`)
  await writeFile(`${file}.tmp`, Buffer.from(buffer))
  await rename(`${file}.tmp`, file)
  return file
}
