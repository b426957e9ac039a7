/**
 * Reads the settings of another trainer: a YAML file, or a script or argument file with `--key value`, `--key=value` or
 * `a.b.c=value`. Scripts are read, never run: variables are those the script itself assigns, everything else stays text.
 */
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { parse } from 'yaml'
import { InputError } from '../../core/errors.ts'

/** Dotted key -> value, in the order of the file. Lists are values. */
export type Settings = Map<string, unknown>

/** @throws InputError when the file cannot be read or holds no settings. */
export function readSettings(file: string): Settings {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    throw new InputError(file, 'a readable file', (error as NodeJS.ErrnoException).code)
  }
  const settings = /\.ya?ml$/.test(file) ? fromYaml(text, file) : fromArguments(text, file)
  if (settings.size === 0)
    throw new InputError(file, 'settings', 'none', 'YAML, "--key value" and "a.b=value" are read')
  return settings
}

function fromYaml(text: string, file: string): Settings {
  let value: unknown
  try {
    value = parse(text, { maxAliasCount: 100 })
  } catch (error) {
    throw new InputError(file, 'YAML', (error as Error).message.split('\n')[0])
  }
  const out: Settings = new Map()
  flatten(value, '', out)
  return out
}

function flatten(value: unknown, path: string, out: Settings): void {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    if (path !== '') out.set(path, value)
    return
  }
  for (const [key, inner] of Object.entries(value)) flatten(inner, path === '' ? key : `${path}.${key}`, out)
}

/** `config=base.yaml` among the arguments is read first; what follows wins. */
function fromArguments(text: string, file: string): Settings {
  const words = splitWords(text)
  const out: Settings = new Map()
  for (let i = 0; i < words.length; i++) {
    const word = words[i]!
    const option = /^--([A-Za-z][\w.-]*)(?:=([\s\S]*))?$/.exec(word)
    const override = /^\+{0,2}~?([A-Za-z]\w*(?:\.\w+)*)=([\s\S]*)$/.exec(word)
    if (option) {
      const values = option[2] === undefined ? [] : [option[2]]
      if (option[2] === undefined)
        while (i + 1 < words.length && !words[i + 1]!.startsWith('--') && !isEnd(words[i + 1]!))
          values.push(words[++i]!)
      const read = values.map(readValue)
      out.set(option[1]!.replaceAll('-', '_'), read.length === 0 ? true : read.length === 1 ? read[0] : read)
    } else if (override?.[1] === 'config') merge(out, baseFile(override[2]!, file))
    else if (override) out.set(override[1]!, readValue(override[2]!))
  }
  return out
}

const isEnd = (word: string) => ['&&', '||', ';', '|', '>', '2>&1', '&'].includes(word)

function merge(out: Settings, base: Settings): void {
  for (const [key, value] of base) out.set(key, value)
}

function baseFile(name: string, file: string): Settings {
  const places = [resolve(name), join(dirname(file), name), join(dirname(file), '..', name)]
  const found = places.find((place) => existsSync(place))
  if (!found) throw new InputError(`${file} config`, 'a file that is there', name, 'Put it beside the script')
  return fromYaml(readFileSync(found, 'utf8'), found)
}

/** YAML reads `1e-6`, `True`, `[a, b]` and `null` as what they mean; Python's `None` is none too. */
function readValue(text: string): unknown {
  if (text === 'None') return null
  try {
    return parse(text) ?? (text === '' ? '' : null)
  } catch {
    return text
  }
}

/** Words of a shell script: quotes, continued lines, comments, and variables that the script has assigned. */
export function splitWords(text: string): string[] {
  const variables = new Map<string, string>()
  const words: string[] = []
  for (const line of text.replaceAll(/\\\r?\n/g, ' ').split(/\r?\n/)) {
    const own = wordsOf(line, variables)
    const [first] = own
    const assigned = own.length > 0 && own.every((word) => /^[A-Z_][A-Z0-9_]*=/.test(word))
    if (assigned)
      for (const word of own) variables.set(word.slice(0, word.indexOf('=')), word.slice(word.indexOf('=') + 1))
    else if (first !== undefined) words.push(...own.filter((word) => !/^[A-Z_][A-Z0-9_]*=/.test(word)))
  }
  return words
}

function wordsOf(line: string, variables: ReadonlyMap<string, string>): string[] {
  const words: string[] = []
  let word: string | null = null
  let quote = ''
  for (let i = 0; i < line.length; i++) {
    const c = line[i]!
    if (quote !== '') {
      if (c === quote) quote = ''
      else word += c
    } else if (c === '"' || c === "'") {
      quote = c
      word ??= ''
    } else if (c === '#' && word === null) break
    else if (/\s/.test(c)) {
      if (word !== null) words.push(word)
      word = null
    } else word = (word ?? '') + c
  }
  if (word !== null) words.push(word)
  return words.map((one) => expand(one, variables))
}

/** `$NAME`, `${NAME}` and `${NAME:-default}`; unknown ones without a default stay as they are. */
function expand(word: string, variables: ReadonlyMap<string, string>): string {
  return word.replaceAll(/\$(?:\{(\w+)(?::-([^{}]*))?\}|(\w+))/g, (whole, braced, fallback, plain) => {
    return variables.get(braced ?? plain) ?? fallback ?? whole
  })
}
