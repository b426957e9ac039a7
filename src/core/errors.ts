/**
 * The one error style of the project: `<where>: expected <what> but received <value>`, then the remedy.
 *
 * @example
 * throw new InputError('data.jsonl:12', 'an existing image file', 'img/7.png', 'Check data.imageRoot.')
 */
export class InputError extends Error {
  override name = 'InputError'
  readonly where: string
  readonly remedy: string

  constructor(where: string, expected: string, received: unknown, remedy = '', options?: ErrorOptions) {
    super(`${where}: expected ${expected} but received ${show(received)}${remedy ? `. ${remedy}` : ''}`, options)
    this.where = where
    this.remedy = remedy
  }
}

/** A value as it appears in a message: short, on one line, never throwing. */
export function show(value: unknown): string {
  if (typeof value === 'string') return value.length > 80 ? `"${value.slice(0, 77)}..."` : `"${value}"`
  if (value === undefined) return 'nothing'
  if (value === null || typeof value === 'number' || typeof value === 'boolean') return String(value)
  try {
    const text = JSON.stringify(value)
    return text === undefined ? String(value) : text.length > 80 ? `${text.slice(0, 77)}...` : text
  } catch {
    return Object.prototype.toString.call(value)
  }
}
