/**
 * Reads fields of a `config.json` object, each with its check, so that a wrong file is refused with the name of the
 * field instead of failing deep inside the model.
 */

import { InputError } from '../core/errors.ts'

/** A parsed `config.json`: nothing is known about it yet. */
export type RawConfig = Readonly<Record<string, unknown>>

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/**
 * One (sub-)object of a config. A getter without a fallback requires the field; `null` counts as absent.
 *
 * @example
 * const text = new ConfigFields(config, 'config.json')
 * text.size('hidden_size') // InputError `config.json hidden_size: expected a positive integer but received 0`
 */
export class ConfigFields {
  readonly values: RawConfig
  readonly where: string

  constructor(values: RawConfig, where: string) {
    this.values = values
    this.where = where
  }

  has(key: string): boolean {
    return this.raw(key) !== undefined
  }

  /** A positive integer up to 2^31 - 1. */
  size(key: string, fallback?: number): number {
    return this.read(key, 'a positive integer', fallback, (v) => Number.isInteger(v) && inRange(v, 1, INT32_MAX))
  }

  /** A number of layers: a positive integer up to 4096, since every layer costs memory before a weight is read. */
  layers(key: string, fallback?: number): number {
    return this.read(key, 'an integer from 1 to 4096', fallback, (v) => Number.isInteger(v) && inRange(v, 1, 4096))
  }

  /** An integer from 0 up to 2^31 - 1. */
  count(key: string, fallback?: number): number {
    return this.read(key, 'an integer >= 0', fallback, (v) => Number.isInteger(v) && inRange(v, 0, INT32_MAX))
  }

  positive(key: string, fallback?: number): number {
    return this.read(key, 'a positive number', fallback, (v) => Number.isFinite(v) && (v as number) > 0)
  }

  flag(key: string, fallback?: boolean): boolean {
    return this.read(key, 'true or false', fallback, (v) => typeof v === 'boolean')
  }

  text(key: string, fallback?: string): string {
    return this.read(key, 'a string', fallback, (v) => typeof v === 'string')
  }

  sizes(key: string, fallback?: number[]): number[] {
    const ok = (v: unknown) => Array.isArray(v) && v.every((n) => Number.isInteger(n) && inRange(n, 0, INT32_MAX))
    return this.read(key, 'a list of integers >= 0', fallback, ok)
  }

  /** The sub-object `key`, or an empty one when it is absent. */
  object(key: string): ConfigFields {
    const value = this.read<RawConfig>(key, 'an object', {}, isRecord)
    return new ConfigFields(value, `${this.where} ${key}`)
  }

  /** Throws unless `key` is absent or one of `allowed`. */
  only(key: string, allowed: readonly unknown[], remedy: string): void {
    const value = this.raw(key)
    if (value === undefined || allowed.includes(value)) return
    throw new InputError(`${this.where} ${key}`, allowed.map((v) => JSON.stringify(v)).join(' or '), value, remedy)
  }

  private read<T>(key: string, expected: string, fallback: T | undefined, ok: (value: unknown) => boolean): T {
    const value = this.raw(key)
    if (value === undefined && fallback !== undefined) return fallback
    if (!ok(value)) throw new InputError(`${this.where} ${key}`, expected, value)
    return value as T
  }

  private raw(key: string): unknown {
    return Object.hasOwn(this.values, key) ? (this.values[key] ?? undefined) : undefined
  }
}

const INT32_MAX = 0x7fffffff

function inRange(value: unknown, low: number, high: number): boolean {
  return (value as number) >= low && (value as number) <= high
}
