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

/** A value as it appears in a message: short, on one line, without control characters, never throwing. */
export function show(value: unknown): string {
  if (typeof value === 'string') return `"${printable(value.length > 80 ? `${value.slice(0, 77)}...` : value)}"`
  if (value === undefined) return 'nothing'
  if (value === null || typeof value === 'number' || typeof value === 'boolean') return String(value)
  try {
    const text = JSON.stringify(value)
    return text === undefined ? String(value) : text.length > 80 ? `${text.slice(0, 77)}...` : text
  } catch {
    return Object.prototype.toString.call(value)
  }
}

/** What a terminal would act upon becomes visible: values come from datasets and models. */
function printable(text: string): string {
  const names: Record<string, string> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' }
  return text.replaceAll(
    /[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu,
    (character) => names[character] ?? `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}
