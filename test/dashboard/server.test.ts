import { appendFileSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { connect } from 'node:net'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { runFolders } from '../../src/dashboard/hub.ts'
import type { RunUpdate } from '../../src/dashboard/run_files.ts'
import { type Dashboard, openDashboard } from '../../src/dashboard/server.ts'
import { Tail } from '../../src/dashboard/tail.ts'
import { appendStep, folderOfRuns, raise, rewrite, tear, writeRun } from './runs.ts'

let folder: ReturnType<typeof folderOfRuns>
let dashboard: Dashboard
const token = 'secret-token'
beforeEach(async () => {
  folder = folderOfRuns()
  await writeRun(join(folder.dir, 'a'), 30)
  writeFileSync(join(folder.dir, 'secret.txt'), 'secret text')
  dashboard = await openDashboard({ runs: [folder.dir], token })
})
afterEach(async () => {
  await dashboard.close()
  folder.remove()
})

interface Answer {
  status: number
  headers: Record<string, string | string[] | undefined>
  body: string
}

/** A request whose path and headers are sent as they are. */
function get(path: string, headers: Record<string, string> = {}, method = 'GET'): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = request({ host: '127.0.0.1', port: dashboard.port, path, method, headers }, (response) => {
      let body = ''
      response.on('data', (chunk) => (body += chunk))
      response.on('end', () => resolve({ status: response.statusCode!, headers: response.headers, body }))
    })
    sent.on('error', reject)
    sent.end()
  })
}

const cookie = () => ({ cookie: `rft_dashboard_${dashboard.port}=${token}` })

describe('who may look', () => {
  it('the token in the address becomes a cookie that scripts cannot read and other sites do not send', async () => {
    const { status, headers } = await get(`/?token=${token}`)
    expect(status).toBe(302)
    expect(headers.location).toBe('/')
    expect(String(headers['set-cookie'])).toBe(
      `rft_dashboard_${dashboard.port}=${token}; Path=/; HttpOnly; SameSite=Strict`,
    )
    const page = await get('/', cookie())
    expect(page.status).toBe(200)
    expect(page.body).toContain('<title>rft dashboard</title>')
  })

  it.each([
    '/',
    '/?token=',
    '/?token=wrong',
    '/?token=secret-tokem',
    '/assets/main.js',
    '/api/events',
    '/api/runs/0/samples/0',
    `/assets/main.js?token=${token}`,
    '/nothing',
  ])('without the right token: %s', async (path) => {
    const { status, body } = await get(path)
    expect(status).toBe(403)
    expect(body).toBe('Missing or wrong token. Open the address that "rft dashboard" printed.')
  })

  it('a cookie of another dashboard, or one that only begins right, is none', async () => {
    for (const wrong of [`rft_dashboard_1=${token}`, `rft_dashboard_${dashboard.port}=secret`, `x=${token}`])
      expect((await get('/', { cookie: wrong })).status).toBe(403)
  })

  it.each(['evil.example', 'evil.example:80', '127.0.0.1', '127.0.0.1:1', 'localhost.evil.example'])(
    'under the host name "%s" there is nothing',
    async (host) => {
      const { status, body } = await get('/', { ...cookie(), host })
      expect([status, body]).toEqual([403, 'Unknown host name.'])
    },
  )

  it('localhost is a name of this machine', async () =>
    expect((await get('/', { ...cookie(), host: `localhost:${dashboard.port}` })).status).toBe(200))

  it('requests that another site makes are refused', async () => {
    expect((await get('/api/events', { ...cookie(), origin: 'http://evil.example' })).status).toBe(403)
    expect((await get('/', { ...cookie(), 'sec-fetch-site': 'cross-site' })).status).toBe(403)
  })

  it.each(['POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH'])('%s is refused', async (method) => {
    const { status, headers } = await get('/', cookie(), method)
    expect([status, headers.allow]).toEqual([405, 'GET, HEAD'])
  })

  it('listens on the loopback address only', async () => {
    const { networkInterfaces } = await import('node:os')
    const others = Object.values(networkInterfaces())
      .flat()
      .filter((one) => one && !one.internal && one.family === 'IPv4')
    for (const { address } of others as { address: string }[])
      await expect(
        new Promise((resolve, reject) => connect(dashboard.port, address).on('connect', resolve).on('error', reject)),
      ).rejects.toThrow('ECONNREFUSED')
  })

  it('tokens are long and new each time', async () => {
    const [a, b] = await Promise.all([openDashboard({ runs: [folder.dir] }), openDashboard({ runs: [folder.dir] })])
    expect(a.url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/\?token=[\w-]{32}$/)
    expect(a.url.split('=')[1]).not.toBe(b.url.split('=')[1])
    await Promise.all([a.close(), b.close()])
  })
})

describe('paths', () => {
  it.each([
    '/../secret.txt',
    '/assets/../../secret.txt',
    '/assets/%2e%2e/%2e%2e/secret.txt',
    '/assets/..%2f..%2fsecret.txt',
    '/assets/....//secret.txt',
    '//etc/hostname',
    '/etc/hostname',
    '/assets/main.js%00.txt',
    '/assets/constructor',
    '/constructor',
    '/api/runs/../../secret.txt/samples/0',
    '/api/runs/0/samples/../../../secret.txt',
    '/api/runs/0/samples/-1',
    '/api/runs/0/samples/9999',
    '/api/runs/7/samples/0',
    '/api/runs/0/samples/0x0',
  ])('%s leads nowhere', async (path) => {
    const { status, body } = await get(path, cookie())
    expect(status).toBe(404)
    expect(body).toBe('Not found.')
  })

  it('an address that is no address is refused without harm', async () => {
    const { status } = await get('http://[', cookie()).catch(() => ({ status: 500 }))
    expect(status).toBeGreaterThanOrEqual(400)
    expect((await get('/', cookie())).status).toBe(200)
  })

  it('every answer forbids inline code, framing, sniffing and caching', async () => {
    for (const path of ['/', '/nothing', '/assets/report.css']) {
      const { headers } = await get(path, cookie())
      expect(headers['content-security-policy']).toContain("default-src 'none'; script-src 'self'; style-src 'self'")
      expect(headers['x-content-type-options']).toBe('nosniff')
      expect(headers['x-frame-options']).toBe('DENY')
      expect(headers['cache-control']).toBe('no-store')
    }
    const { body } = await get('/', cookie())
    expect(body).not.toMatch(/<script(?! type="module" src="\/assets\/main\.js">)| on\w+=|style=|https?:/)
  })

  it('serves a group of completions as text that does nothing', async () => {
    const { status, body } = await get('/api/runs/0/samples/1', cookie())
    expect(status).toBe(200)
    expect(body).toContain('What is red at 20?')
    expect(body).toContain('&lt;script&gt;')
    expect(body).not.toContain('<script')
    expect(body).toContain('src="data:image/png;base64,')
    expect(body.indexOf('good')).toBeLessThan(body.indexOf('bad'))
  })
})

describe('events', () => {
  /** Collects run updates until enough have come. */
  async function events(count: number, act: () => void = () => {}): Promise<RunUpdate[]> {
    const stop = new AbortController()
    const response = await fetch(`http://127.0.0.1:${dashboard.port}/api/events`, {
      headers: cookie(),
      signal: stop.signal,
    })
    const found: RunUpdate[] = []
    let text = ''
    let acted = false
    for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
      text += chunk
      if (!acted && text.includes('event: ready')) {
        acted = true
        act()
      }
      found.length = 0
      for (const event of text.split('\n\n').slice(0, -1))
        if (event.startsWith('event: run')) found.push(JSON.parse(event.slice(event.indexOf('data: ') + 6)))
      if (found.length >= count) break
    }
    stop.abort()
    return found
  }

  it('begin with everything and go on with what is new', async () => {
    const dir = join(folder.dir, 'a')
    const [all, more] = await events(2, () => {
      appendStep(dir, 31)
      raise(dir, { step: 31, seen: 'much' })
      tear(dir)
    })
    expect(all!.facts).toMatchObject({ name: 'a', steps: 100, trainer: 'grpo', model: 'models/tiny', seed: 0 })
    expect(all!.metrics!.steps).toHaveLength(31)
    expect(all!.metrics!.values.reward![29]).toBe(0.3)
    expect(all!.metrics!.values.loss![6]).toBe('NaN')
    expect(all!.metrics!.values.eval_accuracy![30]).toBe(0.75)
    expect(all!.samples!.entries[0]).toMatchObject({ step: 10, verdicts: ['bad', 'good', 'even'], evaluation: false })
    expect(more!.metrics).toMatchObject({ reset: false, steps: [31] })
    expect(more!.alarms!.raised[0]).toMatchObject({ step: 31, seen: 'much' })
  })

  it('find runs that begin later', async () => {
    const [, later] = await events(2, () => {
      mkdirSync(join(folder.dir, 'b'))
      rewrite(join(folder.dir, 'b'), [1])
    })
    expect(later).toMatchObject({ id: '1', facts: { name: 'b', steps: null }, metrics: { steps: [1] } })
  })
})

describe('a file that grows', () => {
  it('is read once, without the line that is being written', async () => {
    const file = join(folder.dir, 'grows.jsonl')
    const tail = new Tail<{ step: number }>(file)
    expect(await tail.poll()).toBeNull()
    writeFileSync(file, '{"step":1}\n{"st')
    expect(await tail.poll()).toEqual({ reset: true, lines: [{ step: 1 }] })
    expect(await tail.poll()).toBeNull()
    appendFileSync(file, 'ep":2}\nnot json\n{"no":"step"}\n{"step":3}\n')
    expect(await tail.poll()).toEqual({ reset: false, lines: [{ step: 2 }, { step: 3 }] })
  })

  it('is read again when it became shorter, another file, or nothing', async () => {
    const file = join(folder.dir, 'grows.jsonl')
    const tail = new Tail<{ step: number }>(file)
    writeFileSync(file, '{"step":1}\n{"step":2}\n')
    await tail.poll()
    writeFileSync(file, '{"step":1}\n')
    expect(await tail.poll()).toEqual({ reset: true, lines: [{ step: 1 }] })
    rmSync(file)
    expect(await tail.poll()).toEqual({ reset: true, lines: [] })
    expect(await tail.poll()).toBeNull()
  })
})

it('a folder of runs stands for its runs', async () => {
  mkdirSync(join(folder.dir, 'no-run'))
  expect(runFolders(folder.dir)).toEqual([join(folder.dir, 'a')])
  expect(runFolders(join(folder.dir, 'a'))).toEqual([join(folder.dir, 'a')])
})
