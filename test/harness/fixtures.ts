/** Paths and contents of test/fixtures. */

import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

export function fixture(path: string): string {
  return fileURLToPath(new URL(`../fixtures/${path}`, import.meta.url))
}

export function fixtureJson<T>(path: string): T {
  return JSON.parse(readFileSync(fixture(path), 'utf8')) as T
}
