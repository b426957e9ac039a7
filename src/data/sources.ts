/**
 * What a line of `data.train` names: a file, a dataset folder, or a dataset of the Hugging Face hub, each with `@split`
 * behind it where it has several.
 *
 *     rows.jsonl   rows.parquet@train   clevr/   clevr/@test   hiyouga/geometry3k@train
 *
 * A folder is read as the hub lays datasets out: `train.jsonl`, `data/train-00000-of-00002.parquet`, `train/*.parquet`.
 */
import { readdir, readFile, stat } from 'node:fs/promises'
import { basename, dirname, extname, join, resolve, sep } from 'node:path'
import { parse } from 'yaml'
import { InputError, show } from '../core/errors.ts'
import { downloadDataset, type Needed } from './hub.ts'
import { rowExtensions } from './raw_rows.ts'

export interface Source {
  file: string
  /** Where relative image paths start: the file's folder, or the dataset folder. */
  root: string
}

const mostFiles = 10_000
const deepest = 4

/** @throws InputError for a path that does not exist or a split that it has not. */
export async function resolveSources(spec: string): Promise<Source[]> {
  const whole = await kindOf(spec)
  const at = spec.lastIndexOf('@')
  const [path, split] = whole === null && at > 0 ? [spec.slice(0, at), spec.slice(at + 1)] : [spec, null]
  const kind = whole ?? (await kindOf(path))
  if (kind === 'folder') return folderSources(path, split)
  if (kind === 'file') return fileSource(path, split)
  if (isHubName(path)) return folderSources(await downloadDataset(path, filesNeeded(path, split)), split)
  throw new InputError(
    path,
    'an existing file or dataset folder',
    'nothing there',
    'Check the paths in the data section.',
  )
}

async function kindOf(path: string): Promise<'file' | 'folder' | null> {
  const info = await stat(path).catch(() => null)
  return info ? (info.isDirectory() ? 'folder' : 'file') : null
}

/** `user/name`, with no file's extension and no step upwards. */
const isHubName = (path: string) =>
  /^[A-Za-z0-9][\w.-]{0,95}\/[A-Za-z0-9][\w.-]{0,95}$/.test(path) &&
  !rowExtensions.some((extension) => path.toLowerCase().endsWith(extension))

function fileSource(file: string, split: string | null): Source[] {
  if (split !== null && split !== 'train')
    throw new InputError(`${file}@${split}`, 'a split of this file', split, 'A single file has the split train only.')
  return [{ file, root: resolve(dirname(file)) }]
}

async function folderSources(folder: string, split: string | null): Promise<Source[]> {
  const root = resolve(folder)
  const files = await rowFiles(root)
  if (files.some((file) => file.endsWith('.arrow')) && !files.some(isRowFile))
    throw new InputError(folder, 'parquet, JSON or JSONL files', 'Arrow files', 'Save it again with to_parquet.')
  const card = await readFile(join(root, 'README.md'), 'utf8').catch(() => '')
  const paths = files.filter(isRowFile).map((file) => file.slice(root.length + 1))
  return filesOfSplit(paths, card, folder, split).map((path) => ({ file: join(root, path), root }))
}

/** The files that rows of a split of a hub dataset need: when images are embedded in parquet, only that split's. */
function filesNeeded(name: string, split: string | null): Needed {
  return (paths, card) => {
    const rows = paths.filter((path) => isRowFile(path) && !notRows.has(basename(path)) && !path.startsWith('.'))
    const embedded = rows.length > 0 && rows.every((path) => path.toLowerCase().endsWith('.parquet'))
    return embedded ? filesOfSplit(rows, card, name, split) : paths
  }
}

/** @throws InputError for a split that a dataset has not. */
function filesOfSplit(paths: readonly string[], card: string, folder: string, split: string | null): string[] {
  const splits = declaredSplits(paths, card) ?? groupBySplit(paths)
  const names = [...splits.keys()]
  if (names.length === 0) throw new InputError(folder, 'a dataset folder', 'no parquet, JSON or JSONL file in it')
  const wanted = split ?? (splits.has('train') || names.length > 1 ? 'train' : names[0]!)
  const found = splits.get(wanted)
  if (!found) {
    const remedy = `It has ${names.slice(0, 10).map(show).join(', ')}: write ${folder}@${names[0]}.`
    throw new InputError(`${folder}@${wanted}`, 'a split of this dataset', wanted, remedy)
  }
  return found
}

const isRowFile = (file: string) => rowExtensions.some((extension) => file.toLowerCase().endsWith(extension))
/** JSON files that describe a dataset or model and hold no rows. */
const notRows = new Set(['dataset_info.json', 'dataset_infos.json', 'dataset_dict.json', 'state.json', 'config.json'])

/** Files below a folder that may hold rows, in order of their paths. */
async function rowFiles(root: string): Promise<string[]> {
  const found: string[] = []
  const walk = async (folder: string, depth: number): Promise<void> => {
    const entries = await readdir(folder, { withFileTypes: true })
    for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
      const path = join(folder, entry.name)
      if (entry.name.startsWith('.') || found.length >= mostFiles) continue
      // The hub's cache keeps files as links into its blobs.
      const kind = entry.isSymbolicLink() ? await kindOf(path) : entry.isDirectory() ? 'folder' : 'file'
      if (kind === 'folder' && depth < deepest) await walk(path, depth + 1)
      else if (kind === 'file' && (isRowFile(path) || path.endsWith('.arrow')) && !notRows.has(entry.name))
        found.push(path)
    }
  }
  await walk(root, 0)
  return found
}

/** `train-00000-of-00002.parquet`, `train.jsonl` and `train/part-3.parquet` belong to train. */
function groupBySplit(paths: readonly string[]): Map<string, string[]> {
  const splits = new Map<string, string[]>()
  for (const path of paths) {
    const name = splitOf(path)
    splits.set(name, [...(splits.get(name) ?? []), path])
  }
  return splits
}

const knownSplits = /^(train|training|test|testing|validation|valid|val|dev|eval)(?=$|[-_.])/i

function splitOf(path: string): string {
  const parts = path.split(sep)
  const stem = basename(path, extname(path)).replace(/-\d{5}-of-\d{5}(?:-[0-9a-f]+)?$/, '')
  const known = knownSplits.exec(stem)?.[1]
  if (known) return canonical(known.toLowerCase())
  const folder = parts.slice(0, -1).findLast((part) => knownSplits.test(part))
  if (folder) return canonical(knownSplits.exec(folder)![1]!.toLowerCase())
  return stem
}

const canonical = (name: string): string =>
  ({
    training: 'train',
    testing: 'test',
    valid: 'validation',
    val: 'validation',
    dev: 'validation',
    eval: 'validation',
  })[name] ?? name

/** The `configs` of a dataset card: split -> patterns of files. `null` without one. */
function declaredSplits(paths: readonly string[], card: string): Map<string, string[]> | null {
  const head = card.startsWith('---\n') ? card.slice(4, card.indexOf('\n---', 4)) : ''
  let configs: unknown
  try {
    configs = head === '' ? null : (parse(head) as { configs?: unknown } | null)?.configs
  } catch {
    return null
  }
  if (!Array.isArray(configs)) return null
  const chosen = configs.find((config) => config?.default === true || config?.config_name === 'default') ?? configs[0]
  const listed: unknown = chosen?.data_files
  if (!Array.isArray(listed)) return null
  const splits = new Map<string, string[]>()
  for (const { split, path } of listed as { split?: unknown; path?: unknown }[]) {
    const patterns = [path].flat().filter((pattern): pattern is string => typeof pattern === 'string')
    const matching = paths.filter((path) => patterns.some((pattern) => matches(path, pattern)))
    if (typeof split === 'string' && matching.length > 0) splits.set(split, matching)
  }
  return splits.size > 0 ? splits : null
}

/** Whether a path fits a pattern of plain text and `*`, which stands for anything. Linear in both. */
function matches(path: string, pattern: string): boolean {
  const pieces = pattern.split(sep).join('/').split(/\*+/)
  const name = path.split(sep).join('/')
  if (pieces.length === 1) return name === pattern
  if (!name.startsWith(pieces[0]!)) return false
  let at = pieces[0]!.length
  for (const piece of pieces.slice(1, -1)) {
    const found = name.indexOf(piece, at)
    if (found < 0) return false
    at = found + piece.length
  }
  const last = pieces.at(-1)!
  return name.length - last.length >= at && name.endsWith(last)
}
