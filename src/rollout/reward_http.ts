/**
 * Rewards from a service: completions go out in batches, scores come back in the same order.
 *
 *     POST url   {"items": [{"id", "messages", "completion", "completionTokens", "finish", "answer", "columns"}, ..]}
 *     200        {"scores": [0.5, null, {"steps": [{"end": 41, "reward": 1}], "score": 1}, ..]}
 *
 * or, with `protocol: openrlhf`, `{"query": [..], "prompts": [..], "labels": [..]}` and `{"rewards": [..]}`, the remote
 * reward models of OpenRLHF.
 *
 * A request that times out, breaks off, or gets 408, 425, 429 or 5xx is sent again after a growing pause (or after what
 * Retry-After asks for); any other answer is final. Whatever the service does, each completion ends with a number or
 * `null`, and failures are counted. Nothing in an answer is trusted: its size, shape and numbers are checked.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { InputError } from '../core/errors.ts'
import type { RewardInput } from '../rewards/define.ts'
import { Scores } from './reward_scores.ts'

export interface HttpRewardOptions {
  /** http or https address. */
  url: string
  protocol?: 'rft' | 'openrlhf'
  /** Completions per request; default 16. */
  batch?: number
  /** Requests in flight; default 4. */
  concurrency?: number
  /** Further attempts after a failed one; default 3. */
  retries?: number
  /** First pause before another attempt, doubled each time up to 30 s; default 0.5. */
  backoffSeconds?: number
  /** Requests begun per second over all batches; 0 = no limit, the default. */
  requestsPerSecond?: number
  /** Environment variable with a bearer token; it stays out of configuration files. */
  tokenVariable?: string | null
}

type Settings = Required<HttpRewardOptions> & { timeoutMs: number }

const largestAnswerBytes = 16 * 2 ** 20
const longestPauseMs = 30_000
const longestRetryAfterMs = 120_000
const worthRetrying = (status: number) => status === 408 || status === 425 || status === 429 || status >= 500

/** An answer that will not get better by asking again. */
class Refused extends Error {}
/** No answer in time, or one that asks to come again. */
class TryAgain extends Error {
  readonly afterMs: number | null
  readonly timedOut: boolean

  constructor(
    message: string,
    { afterMs = null, timedOut = false }: { afterMs?: number | null; timedOut?: boolean } = {},
  ) {
    super(message)
    this.afterMs = afterMs
    this.timedOut = timedOut
  }
}

export class RewardHttp {
  readonly name = 'http'
  readonly #settings: Settings
  readonly #token: string | null
  #nextStart = 0

  /** @throws InputError for an address that is not http(s) or a token variable that is not set. */
  constructor(options: HttpRewardOptions, timeoutMs: number, where: string) {
    const { tokenVariable = null } = options
    const url = URL.canParse(options.url) ? new URL(options.url) : null
    if (url?.protocol !== 'http:' && url?.protocol !== 'https:')
      throw new InputError(`${where}.url`, 'an http or https address', options.url)
    const token = tokenVariable === null ? null : process.env[tokenVariable]
    if (token === undefined || token === '')
      throw new InputError(
        `${where}.tokenVariable`,
        'a variable that is set',
        tokenVariable,
        `Export ${tokenVariable}.`,
      )
    this.#token = token
    this.#settings = {
      ...{ protocol: 'rft', batch: 16, concurrency: 4, retries: 3, backoffSeconds: 0.5, requestsPerSecond: 0 },
      ...options,
      ...{ tokenVariable, timeoutMs },
    }
  }

  dispose(): void {}

  /** Rejects only when `signal` aborts, with its reason. */
  async score(inputs: readonly RewardInput[], signal?: AbortSignal): Promise<Scores> {
    const scores = new Scores(inputs.length)
    const { batch, concurrency } = this.#settings
    let next = 0
    const work = async () => {
      while (next < inputs.length) {
        const begin = next
        next += batch
        await this.#scoreBatch(inputs.slice(begin, begin + batch), begin, scores, signal)
      }
    }
    await Promise.all(Array.from({ length: concurrency }, work))
    return scores
  }

  async #scoreBatch(
    inputs: readonly RewardInput[],
    begin: number,
    scores: Scores,
    signal?: AbortSignal,
  ): Promise<void> {
    const body = JSON.stringify(requestBody(inputs, this.#settings.protocol), plain)
    try {
      const values = await this.#attempts(body, inputs.length, signal)
      for (const [k, value] of values.entries()) scores.value(begin + k, value)
    } catch (error) {
      signal?.throwIfAborted()
      for (const k of inputs.keys()) {
        if (error instanceof TryAgain && error.timedOut) scores.timeout(begin + k, this.#settings.timeoutMs)
        else scores.error(begin + k, (error as Error).message)
      }
    }
  }

  async #attempts(body: string, count: number, signal?: AbortSignal): Promise<unknown[]> {
    const { retries, backoffSeconds } = this.#settings
    for (let attempt = 0; ; attempt++) {
      try {
        await this.#turn(signal)
        return scoresOf(await this.#send(body, signal), count)
      } catch (error) {
        signal?.throwIfAborted()
        if (!(error instanceof TryAgain) || attempt === retries) throw error
        const pause = Math.min(1000 * backoffSeconds * 2 ** attempt, longestPauseMs)
        await sleep(Math.max(pause, error.afterMs ?? 0), undefined, { signal })
      }
    }
  }

  /** Waits until the rate limit allows another request. */
  async #turn(signal?: AbortSignal): Promise<void> {
    const { requestsPerSecond } = this.#settings
    if (requestsPerSecond === 0) return
    const now = performance.now()
    const start = Math.max(now, this.#nextStart)
    this.#nextStart = start + 1000 / requestsPerSecond
    if (start > now) await sleep(start - now, undefined, { signal })
  }

  async #send(body: string, signal?: AbortSignal): Promise<unknown> {
    const { url, timeoutMs } = this.#settings
    const timeout = AbortSignal.timeout(timeoutMs)
    const headers = {
      'content-type': 'application/json',
      ...(this.#token === null ? {} : { authorization: `Bearer ${this.#token}` }),
    }
    try {
      const response = await fetch(url, {
        ...{ method: 'POST', headers, body, redirect: 'error' },
        signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
      })
      if (response.ok) return parse(await limitedText(response))
      await response.body?.cancel()
      const message = `status ${response.status} from ${url}`
      if (!worthRetrying(response.status)) throw new Refused(message)
      throw new TryAgain(message, { afterMs: retryAfter(response.headers.get('retry-after')) })
    } catch (error) {
      if (error instanceof Refused || error instanceof TryAgain) throw error
      if (timeout.aborted) throw new TryAgain('no answer in time', { timedOut: true })
      const cause = (error as { cause?: { code?: string; message?: string } }).cause
      throw new TryAgain(`no answer from ${url}: ${cause?.code ?? cause?.message ?? (error as Error).message}`)
    }
  }
}

function requestBody(inputs: readonly RewardInput[], protocol: 'rft' | 'openrlhf'): object {
  if (protocol === 'rft')
    return {
      items: inputs.map(({ id, messages, completion, completionTokens, finish, answer, columns }) => ({
        ...{ id, messages, completion, completionTokens, finish, answer, columns },
      })),
    }
  const prompts = inputs.map(({ messages }) => messages.map(({ content }) => textOf(content)).join('\n'))
  return {
    query: inputs.map(({ completion }, k) => prompts[k] + completion),
    prompts,
    labels: inputs.map(({ answer }) => answer),
  }
}

const textOf = (content: RewardInput['messages'][number]['content']) =>
  typeof content === 'string' ? content : content.map((part) => (part.type === 'text' ? part.text : '')).join('')

/** Bytes of images do not travel; whole numbers of 64 bits do as numbers. */
function plain(this: Record<string, unknown>, name: string, value: unknown): unknown {
  if (typeof value === 'bigint') return Number(value)
  // A Buffer has become a list by the time its value arrives; the holder still has it.
  return this[name] instanceof Uint8Array ? undefined : value
}

async function limitedText(response: Response): Promise<string> {
  const decoder = new TextDecoder()
  let [text, bytes] = ['', 0]
  for await (const part of response.body ?? []) {
    bytes += (part as Uint8Array).length
    if (bytes > largestAnswerBytes) throw new Refused(`an answer above ${largestAnswerBytes} bytes`)
    text += decoder.decode(part as Uint8Array, { stream: true })
  }
  return text + decoder.decode()
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw new Refused(`expected a JSON answer but received ${JSON.stringify(text.slice(0, 80))}`)
  }
}

/** The list of scores in an answer; single values are checked where they are counted. */
function scoresOf(answer: unknown, count: number): unknown[] {
  const { scores, rewards } = (answer ?? {}) as { scores?: unknown; rewards?: unknown }
  const list = Array.isArray(answer) ? answer : (scores ?? rewards)
  if (!Array.isArray(list) || list.length !== count)
    throw new Refused(`expected ${count} scores but received ${JSON.stringify(answer)?.slice(0, 80)}`)
  return list
}

/** Seconds, or a date. */
function retryAfter(header: string | null): number | null {
  if (header === null) return null
  const ms = /^\d{1,6}$/.test(header.trim()) ? 1000 * Number(header) : Date.parse(header) - Date.now()
  return Number.isFinite(ms) ? Math.min(Math.max(ms, 0), longestRetryAfterMs) : null
}
