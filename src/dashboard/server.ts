/**
 * `rft dashboard`: a page about runs, live while they train. node:http and server-sent events; the loopback address only,
 * GET only, a fixed list of files: no path of a request ever reaches the file system.
 */
import { readFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { InputError } from '../core/errors.ts'
import { style } from '../report/style.ts'
import { Access, newToken, securityHeaders } from './access.ts'
import { Hub } from './hub.ts'

export interface DashboardOptions {
  /** Run folders, or folders of them. */
  runs: readonly string[]
  /** 0 = any free one. */
  port?: number
  /** Default: a random one. */
  token?: string
}

export interface Dashboard extends AsyncDisposable {
  /** The address with its token. */
  readonly url: string
  readonly port: number
  close(): Promise<void>
}

const page = (name: string) => fileURLToPath(new URL(`./page/${name}`, import.meta.url))
const fromPackage = (name: string) => createRequire(import.meta.url).resolve(name)

const JAVASCRIPT = 'text/javascript; charset=utf-8'
const CSS = 'text/css; charset=utf-8'
const HTML = 'text/html; charset=utf-8'

/** Everything that is served besides data, by the path it has here. */
const files = new Map<string, { type: string; content: () => Promise<string> | string }>([
  ['/', { type: HTML, content: () => readFile(page('index.html'), 'utf8') }],
  ['/assets/report.css', { type: CSS, content: () => style }],
  ['/assets/uplot.css', { type: CSS, content: () => readFile(fromPackage('uplot/dist/uPlot.min.css'), 'utf8') }],
  ['/assets/uplot.js', { type: JAVASCRIPT, content: () => readFile(fromPackage('uplot/dist/uPlot.esm.js'), 'utf8') }],
  ['/assets/page.css', { type: CSS, content: () => readFile(page('page.css'), 'utf8') }],
  ...['main', 'state', 'charts', 'plot', 'samples', 'overview', 'dom'].map(
    (name) =>
      [`/assets/${name}.js`, { type: JAVASCRIPT, content: () => readFile(page(`${name}.js`), 'utf8') }] as const,
  ),
])

/**
 * Starts serving; ends with `close`.
 *
 * @throws InputError when the port is taken.
 * @example
 * await using dashboard = await openDashboard({ runs: ['runs/a', 'runs/b'] })
 * console.log(dashboard.url)
 */
export async function openDashboard(options: DashboardOptions): Promise<Dashboard> {
  const token = options.token ?? newToken()
  const hub = new Hub(options.runs)
  await hub.poll()
  let port = options.port ?? 0
  const access = new Access(token, () => port)
  const server = createServer((request, response) => {
    answer(request, response, access, hub).catch((error: unknown) => {
      if (!response.headersSent) response.writeHead(500, securityHeaders)
      response.end(error instanceof Error ? error.message : String(error))
    })
  })
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(port, '127.0.0.1', resolve)
    })
  } catch (error) {
    hub.close()
    const { code } = error as NodeJS.ErrnoException
    throw new InputError('--port', 'a free port', `${port} (${code})`, 'Choose another one, or 0 for any')
  }
  port = (server.address() as { port: number }).port
  const close = async () => {
    hub.close()
    server.closeAllConnections()
    await new Promise((done) => server.close(done))
  }
  return { url: `http://127.0.0.1:${port}/?token=${token}`, port, close, [Symbol.asyncDispose]: close }
}

async function answer(request: IncomingMessage, response: ServerResponse, access: Access, hub: Hub): Promise<void> {
  const url = new URL(request.url ?? '/', 'http://127.0.0.1')
  const { status, reason, headers = {} } = access.check(request, url)
  if (status !== 200) {
    response.writeHead(status, { ...securityHeaders, 'content-type': 'text/plain; charset=utf-8', ...headers })
    response.end(reason)
    return
  }
  const file = files.get(url.pathname)
  if (file) return send(response, file.type, await file.content())
  if (url.pathname === '/api/events') return stream(response, hub)
  const sample = /^\/api\/runs\/(\d{1,6})\/samples\/(\d{1,9})$/.exec(url.pathname)
  const html = sample ? await hub.run(sample[1]!)?.sample(Number(sample[2])) : null
  if (html) return send(response, HTML, html)
  response.writeHead(404, securityHeaders).end('Not found.')
}

function send(response: ServerResponse, type: string, content: string): void {
  response.writeHead(200, { ...securityHeaders, 'content-type': type }).end(content)
}

/** Server-sent events: one `run` event per update. */
async function stream(response: ServerResponse, hub: Hub): Promise<void> {
  response.writeHead(200, { ...securityHeaders, 'content-type': 'text/event-stream' })
  response.write('retry: 2000\n\n')
  const stop = await hub.listen((update) => response.write(`event: run\ndata: ${JSON.stringify(update)}\n\n`))
  response.write('event: ready\ndata: {}\n\n')
  const beat = setInterval(() => response.write(': beat\n\n'), 15_000)
  response.on('close', () => {
    clearInterval(beat)
    stop()
  })
}
