/** Small JSON files that an experiment remembers what is finished by: written whole, checked when read. */
import { readFile, rename, writeFile } from 'node:fs/promises'
import type { z } from 'zod'
import { InputError } from '../core/errors.ts'

export async function writeJson(file: string, value: unknown): Promise<void> {
  await writeFile(`${file}.tmp`, `${JSON.stringify(value, null, 2)}\n`)
  await rename(`${file}.tmp`, file)
}

/**
 * @param what it holds, for messages
 * @returns `null` when there is no such file.
 * @throws InputError when it holds something else.
 */
export async function readJson<T>(file: string, schema: z.ZodType<T>, what: string): Promise<T | null> {
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw error
  }
  const parsed = schema.safeParse(parse(text))
  if (parsed.success) return parsed.data
  throw new InputError(file, what, text.slice(0, 80), 'Remove the file; what it stands for is then made again')
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
