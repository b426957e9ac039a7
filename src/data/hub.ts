/**
 * Datasets of the Hugging Face hub, through the optional package @huggingface/hub, into the cache that Python uses.
 *
 * HF_ENDPOINT is the hub's address; HF_TOKEN (or the token file that `hf auth login` writes) opens private sets; HF_HOME
 * and HF_HUB_CACHE say where the cache is. What the cache holds is used when the hub cannot be asked, or when
 * HF_HUB_OFFLINE=1.
 */
import { mkdir, readFile, stat, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { InputError } from '../core/errors.ts'

const defaultEndpoint = 'https://huggingface.co'

/**
 * The files of a dataset that are needed: paths in it, given all of them and the text of its card (README.md).
 */
export type Needed = (paths: readonly string[], card: string) => readonly string[]

/**
 * The folder of a dataset's newest snapshot, with what is needed of it downloaded where the cache does not have it.
 *
 * @param name `user/dataset`
 * @throws InputError when the hub cannot give it and the cache does not have it.
 */
export async function downloadDataset(name: string, needed: Needed): Promise<string> {
  const offline = ['1', 'true', 'yes', 'on'].includes((process.env.HF_HUB_OFFLINE ?? '').toLowerCase())
  let problem: unknown = 'offline by HF_HUB_OFFLINE'
  if (!offline) {
    try {
      return await download(name, needed)
    } catch (error) {
      if (error instanceof InputError) throw error
      problem = error
    }
  }
  const cached = await cachedSnapshot(name)
  if (cached) return cached
  throw new InputError(name, 'a file, a folder, or a dataset of the hub', describe(problem), remedyFor(problem), {
    cause: problem,
  })
}

async function download(name: string, needed: Needed): Promise<string> {
  const { datasetInfo, downloadFileToCacheDir, listFiles } = await import('@huggingface/hub')
  const token = await accessToken()
  const hub = {
    hubUrl: (process.env.HF_ENDPOINT ?? defaultEndpoint).replace(/\/+$/, ''),
    ...(token ? { accessToken: token } : {}),
  }
  const repo = { type: 'dataset', name } as const
  const { sha: revision } = await datasetInfo({ ...hub, name, additionalFields: ['sha'], revision: 'main' })
  const fetchFile = (path: string) => downloadFileToCacheDir({ ...hub, repo, path, revision, cacheDir: cacheFolder() })
  const paths: string[] = []
  for await (const { type, path } of listFiles({ ...hub, repo, recursive: true, revision }))
    if (type === 'file') paths.push(path)
  const card = paths.includes('README.md') ? await readFile(await fetchFile('README.md'), 'utf8') : ''
  for (const path of needed(paths, card)) await fetchFile(path)
  const folder = repoFolder(name)
  await mkdir(join(folder, 'refs'), { recursive: true })
  await writeFile(join(folder, 'refs', 'main'), revision)
  return join(folder, 'snapshots', revision)
}

const repoFolder = (name: string) => join(cacheFolder(), `datasets--${name.replace('/', '--')}`)

/** The snapshot that the cache calls `main`. */
async function cachedSnapshot(name: string): Promise<string | null> {
  const folder = repoFolder(name)
  const commit = await readFile(join(folder, 'refs', 'main'), 'utf8').catch(() => '')
  if (!/^[0-9a-f]{7,64}$/.test(commit.trim())) return null
  const snapshot = join(folder, 'snapshots', commit.trim())
  return (await stat(snapshot).catch(() => null))?.isDirectory() ? snapshot : null
}

function homeFolder(): string {
  return process.env.HF_HOME ?? join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'huggingface')
}

function cacheFolder(): string {
  return process.env.HF_HUB_CACHE ?? process.env.HUGGINGFACE_HUB_CACHE ?? join(homeFolder(), 'hub')
}

/** HF_TOKEN, or the token file; the package takes tokens of the form `hf_..` only. */
async function accessToken(): Promise<`hf_${string}` | null> {
  const file = process.env.HF_TOKEN_PATH ?? join(homeFolder(), 'token')
  const token = (process.env.HF_TOKEN ?? (await readFile(file, 'utf8').catch(() => ''))).trim()
  return token.startsWith('hf_') ? (token as `hf_${string}`) : null
}

function describe(problem: unknown): string {
  if (!(problem instanceof Error)) return String(problem)
  if (isMissingPackage(problem)) return 'no package @huggingface/hub'
  const status = (problem as { statusCode?: number }).statusCode
  return status ? `status ${status} from the hub` : problem.message
}

function remedyFor(problem: unknown): string {
  if (problem instanceof Error && isMissingPackage(problem))
    return 'Install it (npm install @huggingface/hub), or download the dataset and name its folder.'
  const status = (problem as { statusCode?: number } | null)?.statusCode
  if (status === 401 || status === 403 || status === 404)
    return 'Check the name; a private or gated dataset needs HF_TOKEN.'
  return 'Check HF_ENDPOINT and the network, or name a folder on this machine.'
}

const isMissingPackage = (error: Error) => (error as NodeJS.ErrnoException).code === 'ERR_MODULE_NOT_FOUND'
