/** Reading the small text files of a model folder. */

import { access, readFile } from 'node:fs/promises'
import { InputError } from '../core/errors.ts'

export async function exists(file: string): Promise<boolean> {
  return access(file).then(
    () => true,
    () => false,
  )
}

/** A JSON file whose outermost value is an object. Throws InputError naming the file. */
export async function readJsonObject(file: string): Promise<Record<string, unknown>> {
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (cause) {
    throw new InputError(file, 'a readable file', (cause as NodeJS.ErrnoException).code, '', { cause })
  }
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw new InputError(file, 'JSON', (cause as Error).message, '', { cause })
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new InputError(file, 'a JSON object', value)
  return value as Record<string, unknown>
}
