/** A reward service on this machine: batches, order, retries, limits, and everything it may do wrong. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { HttpRewardOptions } from '../../src/rollout/reward_http.ts'
import { createRewardRunner, type RewardRunner } from '../../src/rollout/reward_runner.ts'
import { rewardInput } from '../harness/reward_input.ts'

interface Asked {
  body: { items: { completion: string; answer: string | null }[]; query: string[]; prompts: string[]; labels: string[] }
  headers: IncomingMessage['headers']
  at: number
}

let server: ReturnType<typeof createServer>
let url: string
let asked: Asked[]
let answer: (asked: Asked, response: ServerResponse, count: number) => void
const open: RewardRunner[] = []

const json = (response: ServerResponse, value: unknown) => response.end(JSON.stringify(value))
const lengths = ({ body }: Asked, response: ServerResponse) =>
  json(response, { scores: body.items.map(({ completion }) => completion.length) })

beforeEach(async () => {
  asked = []
  answer = lengths
  server = createServer((request, response) => {
    let text = ''
    request.on('data', (part) => {
      text += part
    })
    request.on('end', () => {
      const one = { body: JSON.parse(text), headers: request.headers, at: performance.now() }
      asked.push(one)
      answer(one, response, asked.length)
    })
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/score`
})
afterEach(async () => {
  vi.unstubAllEnvs()
  for (const runner of open.splice(0)) runner.dispose()
  server.closeAllConnections()
  await new Promise((done) => server.close(done))
})

async function runner(more: Partial<HttpRewardOptions> & { timeoutSeconds?: number } = {}) {
  const opened = await createRewardRunner([{ url, backoffSeconds: 0.01, ...more }])
  open.push(opened)
  return opened
}
const completions = (count: number) =>
  Array.from({ length: count }, (_, k) => rewardInput('x'.repeat(k), { answer: String(k) }))

test('batches of the asked size, scores in order, everything a reward sees', async () => {
  const scorer = await runner({ batch: 4 })
  const { parts, failures } = await scorer.score(completions(10))
  expect(parts.http).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
  expect(failures.http).toMatchObject({ errors: 0, timeouts: 0, invalid: 0 })
  expect(asked.map(({ body }) => body.items.length).sort()).toEqual([2, 4, 4])
  expect(asked[0]!.body.items[1]).toEqual({
    ...{
      id: 'rows.jsonl:1',
      messages: [],
      completion: 'x',
      completionTokens: 1,
      finish: 'eos',
      answer: '1',
      columns: {},
    },
  })
})

test('bytes in columns stay here, whole numbers of 64 bits go as numbers', async () => {
  const columns = {
    bytes: Buffer.from('ab'),
    list: [new Uint8Array(1)],
    n: 5n,
    deep: { image: Buffer.from('c'), kept: 1 },
  }
  await (await runner()).score([rewardInput('x', { columns })])
  expect(asked[0]!.body.items[0]).toHaveProperty('columns', { list: [null], n: 5, deep: { kept: 1 } })
})

test("OpenRLHF's protocol", async () => {
  answer = (one, response) => json(response, { rewards: one.body.query.map((query) => query.length) })
  const scorer = await runner({ protocol: 'openrlhf' })
  const messages = [{ role: 'user', content: [{ type: 'image' }, { type: 'text', text: 'ab' }] }] as const
  const input = { ...rewardInput('cde', { answer: '5' }), messages: messages as never }
  expect((await scorer.score([input])).parts.http).toEqual([5])
  expect(asked[0]!.body).toEqual({ query: ['abcde'], prompts: ['ab'], labels: ['5'] })
})

test('a token from the environment', async () => {
  vi.stubEnv('SCORE_TOKEN', 'secret')
  await (await runner({ tokenVariable: 'SCORE_TOKEN' })).score(completions(1))
  expect(asked[0]!.headers.authorization).toBe('Bearer secret')
  await expect(createRewardRunner([{ url, tokenVariable: 'NOT_SET_ANYWHERE' }])).rejects.toThrow(
    'rewards.0.tokenVariable: expected a variable that is set',
  )
  await expect(createRewardRunner([{ url: 'file:///etc/passwd' }])).rejects.toThrow('rewards.0.url: expected an http')
})

describe('failures', () => {
  test.each([500, 503, 429, 408])('status %i is asked again', async (status) => {
    answer = (one, response, count) => (count < 3 ? response.writeHead(status).end() : lengths(one, response))
    expect((await (await runner()).score(completions(2))).parts.http).toEqual([0, 1])
    expect(asked).toHaveLength(3)
  })

  test('after the last attempt the batch has no scores, and the others have theirs', async () => {
    answer = (one, response) =>
      one.body.items.some(({ completion }) => completion === '')
        ? response.writeHead(500).end()
        : lengths(one, response)
    const { parts, failures } = await (await runner({ batch: 2, retries: 1 })).score(completions(4))
    expect(parts.http).toEqual([null, null, 2, 3])
    expect(failures.http).toMatchObject({ errors: 2, lastMessage: `status 500 from ${url}` })
    expect(asked).toHaveLength(3)
  })

  test.each([
    ['a refusal', (response: ServerResponse) => response.writeHead(400).end(), 'status 400'],
    [
      'another place',
      (response: ServerResponse) => response.writeHead(302, { location: 'http://127.0.0.1:1' }).end(),
      'no answer',
    ],
    ['no JSON', (response: ServerResponse) => response.end('<html>'), 'expected a JSON answer'],
    ['too few scores', (response: ServerResponse) => json(response, { scores: [1] }), 'expected 2 scores'],
    ['no scores', (response: ServerResponse) => json(response, null), 'expected 2 scores'],
    ['an endless answer', (response: ServerResponse) => response.end(Buffer.alloc(17 * 2 ** 20, 49)), 'above'],
  ])('%s', async (_, reply, message) => {
    answer = (_one, response) => void reply(response)
    const { parts, failures } = await (await runner({ retries: 0 })).score(completions(2))
    expect(parts.http).toEqual([null, null])
    expect(failures.http!.errors).toBe(2)
    expect(failures.http!.lastMessage).toContain(message)
  })

  test('values that are no numbers are counted one by one', async () => {
    answer = (_, response) => json(response, { scores: [1, null, 'high', [2]] })
    const { parts, failures } = await (await runner()).score(completions(4))
    expect(parts.http).toEqual([1, null, null, null])
    expect(failures.http).toMatchObject({ invalid: 2, errors: 0 })
  })

  test('no answer in time, and nobody there', async () => {
    answer = () => {}
    const { failures } = await (await runner({ timeoutSeconds: 0.1, retries: 1 })).score(completions(3))
    expect(failures.http).toMatchObject({ timeouts: 3, errors: 0 })
    expect(asked).toHaveLength(2)
    const { failures: gone } = await (await runner({ url: 'http://127.0.0.1:9/', retries: 0 })).score(completions(1))
    expect(gone.http).toMatchObject({ errors: 1, lastMessage: expect.stringContaining('no answer from') })
  })
})

test('Retry-After and the rate limit are kept', async () => {
  answer = (one, response, count) =>
    count === 1 ? response.writeHead(429, { 'retry-after': '1' }).end() : lengths(one, response)
  await (await runner()).score(completions(1))
  expect(asked[1]!.at - asked[0]!.at).toBeGreaterThan(900)

  asked = []
  answer = lengths
  await (await runner({ batch: 1, concurrency: 8, requestsPerSecond: 20 })).score(completions(5))
  expect(asked.at(-1)!.at - asked[0]!.at).toBeGreaterThan(150)
})

test('stopping a run stops the requests', async () => {
  answer = () => {}
  const scorer = await runner()
  const stop = new AbortController()
  const scoring = scorer.score(completions(1), stop.signal)
  setTimeout(() => stop.abort(new Error('stopped')), 50)
  await expect(scoring).rejects.toThrow('stopped')
})
