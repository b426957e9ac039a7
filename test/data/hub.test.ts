/** Hub downloads against a local server that answers as the hub does: address, token, and Python's cache layout. */
import { mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { loadRows } from '../../src/data/index.ts'

const commit = 'a'.repeat(40)
const files = new Map<string, string | Buffer>([
  ['README.md', '# small'],
  ['data/train.jsonl', '{"problem": "2+2?", "answer": "4"}\n{"problem": "1+1?", "answer": "2"}\n'],
])
const oid = (name: string) => 'bcd'[[...files.keys()].indexOf(name)]!.repeat(40)

let server: ReturnType<typeof createServer>
let cache: string
let requests: { url: string; token: string | undefined }[]

beforeEach(async () => {
  cache = mkdtempSync(path.join(tmpdir(), 'rft-hub-'))
  requests = []
  server = createServer(answer)
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  vi.stubEnv('HF_ENDPOINT', `http://127.0.0.1:${(server.address() as AddressInfo).port}/`)
  vi.stubEnv('HF_HOME', cache)
  vi.stubEnv('HF_HUB_CACHE', undefined)
  vi.stubEnv('HUGGINGFACE_HUB_CACHE', undefined)
  vi.stubEnv('HF_HUB_OFFLINE', undefined)
  vi.stubEnv('HF_TOKEN', 'hf_secret')
  vi.spyOn(console, 'debug').mockImplementation(() => {})
})
afterEach(async () => {
  vi.unstubAllEnvs()
  vi.restoreAllMocks()
  server.closeAllConnections()
  await new Promise((done) => server.close(done))
  rmSync(cache, { recursive: true, force: true })
})

function answer(request: IncomingMessage, response: ServerResponse): void {
  const url = decodeURIComponent(request.url ?? '')
  requests.push({ url, token: request.headers.authorization })
  const json = (value: unknown) => response.setHeader('content-type', 'application/json').end(JSON.stringify(value))
  const entry = (name: string) => ({ type: 'file', path: name, size: files.get(name)!.length, oid: oid(name) })
  request.resume()
  if (!url.includes('user/small')) response.writeHead(404).end('{}')
  else if (url.startsWith('/api/datasets/user/small/revision/') || url.startsWith('/api/datasets/user/small?'))
    json({
      _id: '1',
      id: 'user/small',
      sha: commit,
      private: true,
      gated: false,
      downloads: 0,
      likes: 0,
      lastModified: '2026-01-01T00:00:00Z',
    })
  else if (url.startsWith('/api/datasets/user/small/tree/')) json([...files.keys()].map(entry))
  else if (url.startsWith('/api/datasets/user/small/paths-info/')) {
    let body = ''
    request.on('data', (part) => {
      body += part
    })
    request.on('end', () => json((JSON.parse(body) as { paths: string[] }).paths.map(entry)))
  } else {
    const name = [...files.keys()].find((file) => url.endsWith(`/${file}`))!
    const bytes = Buffer.from(files.get(name)! as string)
    const range = /bytes=(\d+)-(\d+)/.exec(request.headers.range ?? '')
    const part = range ? bytes.subarray(Number(range[1]), Number(range[2]) + 1) : bytes
    response.setHeader('etag', `"${oid(name)}"`)
    if (range) response.writeHead(206, { 'content-range': `bytes ${range[1]}-${range[2]}/${bytes.length}` })
    response.end(part)
  }
}

test('rows of a hub dataset, with the token, in the cache layout of Python', async () => {
  const rows = await loadRows(['user/small@train'])
  expect(rows.map(({ answer: truth }) => truth)).toEqual(['4', '2'])
  expect(requests.every(({ token }) => token === 'Bearer hf_secret')).toBe(true)
  const folder = path.join(cache, 'hub', 'datasets--user--small')
  expect(readdirSync(folder).sort()).toEqual(['blobs', 'refs', 'snapshots'])
  expect(readFileSync(path.join(folder, 'refs', 'main'), 'utf8')).toBe(commit)
  const link = readlinkSync(path.join(folder, 'snapshots', commit, 'data', 'train.jsonl'))
  expect(path.basename(link)).toBe(oid('data/train.jsonl'))
})

test('a second read downloads no file again, and none at all offline or without the hub', async () => {
  await loadRows(['user/small'])
  requests.length = 0
  await loadRows(['user/small'])
  expect(requests.some(({ url }) => url.includes('/resolve/'))).toBe(false)
  requests.length = 0
  vi.stubEnv('HF_HUB_OFFLINE', '1')
  expect(await loadRows(['user/small'])).toHaveLength(2)
  expect(requests).toEqual([])
  vi.stubEnv('HF_HUB_OFFLINE', undefined)
  vi.stubEnv('HF_ENDPOINT', 'http://127.0.0.1:9')
  expect(await loadRows(['user/small'])).toHaveLength(2)
})

test('of a dataset in parquet, only the split that is asked for is downloaded', async () => {
  const geo = path.join(import.meta.dirname, '../fixtures/data/geo/data')
  const parquet = (name: string) => readFileSync(path.join(geo, name))
  const [train, held] = ['data/train-00000-of-00001.parquet', 'data/test-00000-of-00001.parquet'] as const
  const before = new Map(files)
  files.clear()
  files
    .set('README.md', '# in parquet')
    .set(train, parquet(path.basename(train)))
    .set(held, parquet(path.basename(held)))
  try {
    expect(await loadRows(['user/small@test'])).toHaveLength(1)
    const downloaded = () => requests.filter(({ url }) => url.includes('/resolve/')).map(({ url }) => url)
    expect(downloaded().some((url) => url.includes(held))).toBe(true)
    expect(downloaded().some((url) => url.includes(train))).toBe(false)
    expect(await loadRows(['user/small'])).toHaveLength(3)
    await expect(loadRows(['user/small@val'])).rejects.toThrow(/expected a split of this dataset.*"train"/s)
  } finally {
    files.clear()
    for (const [name, content] of before) files.set(name, content)
  }
})

test('what the hub does not have says so, and what to do', async () => {
  await expect(loadRows(['user/none'])).rejects.toThrow(
    /user\/none: expected a file, a folder, or a dataset of the hub but received "status 404.*HF_TOKEN/,
  )
  vi.stubEnv('HF_HUB_OFFLINE', '1')
  await expect(loadRows(['user/other'])).rejects.toThrow(/offline by HF_HUB_OFFLINE/)
})
