/**
 * Who may look. The page shows prompts, images and what a model wrote, so it is for the person who started it alone: it
 * listens on the loopback address, wants a random token, and believes no other host name (a web page that has its own
 * name resolve to 127.0.0.1 must not read it).
 *
 * The token is in the address that `rft dashboard` prints; the first visit exchanges it for a cookie, so that it is in no
 * later address and no log.
 */
import { randomBytes, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage } from 'node:http'

export interface Verdict {
  status: 200 | 302 | 403 | 405
  /** For the one who was refused. */
  reason: string
  headers?: Record<string, string>
}

export const newToken = () => randomBytes(24).toString('base64url')

/** Headers of every answer: nothing from outside, nothing inline, no framing, no caching, no sniffing. */
export const securityHeaders: Record<string, string> = {
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin',
  'cache-control': 'no-store',
}

export class Access {
  constructor(
    private readonly token: string,
    private readonly port: () => number,
  ) {}

  /** 200 = go on; 302 = the token was right: come again with the cookie. */
  check(request: IncomingMessage, url: URL): Verdict {
    if (request.method !== 'GET' && request.method !== 'HEAD')
      return { status: 405, reason: 'This page can only be read.', headers: { allow: 'GET, HEAD' } }
    const { host, origin, cookie } = request.headers
    if (!this.isOwnHost(host)) return refused('Unknown host name.')
    if (origin !== undefined && !this.isOwnOrigin(origin)) return refused('Unknown origin.')
    if (request.headers['sec-fetch-site'] === 'cross-site') return refused('Requests from other sites are refused.')
    const given = url.searchParams.get('token')
    if (given !== null)
      return url.pathname === '/' && this.isToken(given)
        ? { status: 302, reason: '', headers: { location: '/', 'set-cookie': this.cookie() } }
        : refused(wrongToken)
    return this.isToken(this.fromCookie(cookie ?? '')) ? { status: 200, reason: '' } : refused(wrongToken)
  }

  private isOwnHost(host: string | undefined): boolean {
    return ['127.0.0.1', 'localhost', '[::1]'].some((name) => host === `${name}:${this.port()}`)
  }

  private isOwnOrigin(origin: string): boolean {
    return origin.startsWith('http://') && this.isOwnHost(origin.slice('http://'.length))
  }

  private isToken(text: string | null): boolean {
    if (text === null) return false
    const [a, b] = [Buffer.from(text), Buffer.from(this.token)]
    return a.length === b.length && timingSafeEqual(a, b)
  }

  /** Cookies are shared by all ports of a host. */
  private get cookieName(): string {
    return `rft_dashboard_${this.port()}`
  }

  private cookie(): string {
    return `${this.cookieName}=${this.token}; Path=/; HttpOnly; SameSite=Strict`
  }

  private fromCookie(header: string): string | null {
    const parts = header.split(';').map((part) => part.trim())
    const found = parts.find((part) => part.startsWith(`${this.cookieName}=`))
    return found === undefined ? null : found.slice(this.cookieName.length + 1)
  }
}

const wrongToken = 'Missing or wrong token. Open the address that "rft dashboard" printed.'
const refused = (reason: string): Verdict => ({ status: 403, reason })
