/**
 * A YAML document together with the `--set` overrides laid over it, and where each value came from.
 * Values that came from a flag have a node without a range.
 */
import { type Document, isMap, isNode, isScalar, LineCounter, type Node, parseDocument } from 'yaml'
import { InputError } from '../core/errors.ts'

export type KeyPath = readonly (string | number)[]

export const showPath = (path: KeyPath) => path.join('.')

export class ConfigSource {
  readonly #file: string
  readonly #lines = new LineCounter()
  readonly #document: Document
  readonly #overridden = new Set<string>()

  /** @throws InputError for YAML that does not parse, with its line and column. */
  constructor(text: string, file: string) {
    this.#file = file
    this.#document = parseDocument(text, { lineCounter: this.#lines })
    const error = this.#document.errors[0]
    if (error) {
      const { line, col } = this.#lines.linePos(error.pos[0])
      const reason = error.message.split(/ at line \d+/)[0]!
      throw new InputError(`${file}:${line}:${col}`, 'YAML', text.split('\n')[line - 1]?.trim() ?? '', `${reason}.`)
    }
    if (this.#document.contents === null) this.#document.contents = this.#document.createNode({}) as never
    if (!isMap(this.#document.contents))
      throw new InputError(`${file}:1:1`, 'a mapping of sections such as "model:"', this.#document.toJS())
  }

  /** Lays `a.b.c=value` over the document; the value is read as YAML. */
  override(assignment: string): void {
    const at = assignment.indexOf('=')
    const key = assignment.slice(0, Math.max(at, 0)).trim()
    const path = key.split('.')
    if (key === '' || path.includes(''))
      throw new InputError(`--set ${assignment}`, 'key=value', assignment, 'Example: --set optimizer.lr=1e-5')
    const value = parseDocument(assignment.slice(at + 1))
    if (value.errors.length > 0)
      throw new InputError(
        `--set ${key}`,
        'a YAML value',
        assignment.slice(at + 1),
        'Quote text that has : or { in it.',
      )
    try {
      this.#document.setIn(path, this.#document.createNode(value.toJS()))
    } catch {
      throw new InputError(`--set ${key}`, 'a key inside a section or list', key, 'A part of this key holds a value.')
    }
    this.#overridden.add(key)
  }

  /** @throws InputError for YAML that expands without bound. */
  value(): unknown {
    try {
      return this.#document.toJS({ maxAliasCount: 100 })
    } catch (error) {
      throw new InputError(this.#file, 'YAML', (error as Error).message)
    }
  }

  /** The document as YAML, overrides included. */
  text(): string {
    return this.#document.toString()
  }

  /** Whether the user wrote this key. */
  has(path: KeyPath): boolean {
    return this.#document.hasIn(path)
  }

  /**
   * `config.yaml:4:10` or `--set`: where the value at the path was written, or the key itself for `onKey`.
   * A path that was not written is placed at its nearest written parent.
   */
  place(path: KeyPath, onKey = false): string {
    for (let length = path.length; length >= 0; length--) {
      const head = path.slice(0, length)
      if (this.#overridden.has(showPath(head))) return '--set'
      const wholePath = length === path.length
      const node = onKey && wholePath ? this.#keyNode(head) : this.#document.getIn(head, true)
      if (!isNode(node) || !node.range) continue
      const anchor = wholePath || length === 0 ? node : (this.#keyNode(head) ?? node)
      const { line, col } = this.#lines.linePos(anchor.range![0])
      return `${this.#file}:${line}:${col}`
    }
    return this.#file
  }

  #keyNode(path: KeyPath): Node | null {
    const parent = this.#document.getIn(path.slice(0, -1), true)
    if (!isMap(parent)) return null
    const name = String(path.at(-1))
    const key = parent.items.find((item) => isScalar(item.key) && String(item.key.value) === name)?.key
    return isNode(key) && key.range ? key : null
  }
}
