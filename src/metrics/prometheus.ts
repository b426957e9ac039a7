/**
 * The latest value of every metric for Prometheus to fetch: `GET /metrics` in the text format 0.0.4. Listens on the
 * loopback address unless it is told another one, and answers nothing else.
 */
import { createServer, type Server } from 'node:http'
import { InputError } from '../core/errors.ts'
import type { MetricsSink } from './types.ts'

export interface PrometheusOptions {
  port: number
  /** Address to listen on. */
  host: string
  /** Label of every sample. */
  run: string
}

/** @throws InputError when the address cannot be listened on. */
export async function prometheusSink(options: PrometheusOptions): Promise<MetricsSink & { readonly port: number }> {
  const latest = new Map<string, number>()
  const server = createServer((request, response) => {
    if (request.method !== 'GET' || request.url?.split('?')[0] !== '/metrics') {
      response.writeHead(404).end()
      return
    }
    response.writeHead(200, { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' })
    response.end(exposition(latest, options.run))
  })
  await listen(server, options)
  server.unref()
  return {
    port: (server.address() as { port: number }).port,
    step: (record) => {
      for (const [name, value] of Object.entries(record)) latest.set(name, value)
    },
    close: () => {
      server.close()
      server.closeAllConnections()
    },
  }
}

function listen(server: Server, { port, host }: PrometheusOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) =>
      reject(new InputError('metrics.prometheus', `${host}:${port} to listen on`, error.code, 'Choose another port')),
    )
    server.listen(port, host, resolve)
  })
}

/** Names that differ only in a reward or a phase become one name with a label. */
const labelled: [RegExp, name: string, label: string][] = [
  [/^rewards\/(.+)\/mean$/, 'rft_reward_mean', 'reward'],
  [/^rewards\/(.+)\/std$/, 'rft_reward_std', 'reward'],
  [/^rewards\/(.+)\/failures$/, 'rft_reward_failures', 'reward'],
  [/^timing\/(.+)$/, 'rft_phase_seconds', 'phase'],
]

/** The text that Prometheus reads. */
export function exposition(latest: ReadonlyMap<string, number>, run: string): string {
  const families = new Map<string, string[]>()
  for (const [metric, value] of latest) {
    const found = labelled.map(([pattern, name, label]) => ({ name, label, is: pattern.exec(metric)?.[1] }))
    const { name, label, is } = found.find(({ is }) => is !== undefined) ?? {}
    const family = name ?? `rft_${metric.replaceAll(/[^a-zA-Z0-9_]/g, '_')}`
    const more = label ? `,${label}="${escapeLabel(is!)}"` : ''
    const line = `${family}{run="${escapeLabel(run)}"${more}} ${sample(value)}`
    families.set(family, [...(families.get(family) ?? []), line])
  }
  return [...families].map(([family, lines]) => `# TYPE ${family} gauge\n${lines.join('\n')}\n`).join('')
}

const escapeLabel = (text: string) => text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')

function sample(value: number): string {
  if (Number.isNaN(value)) return 'NaN'
  return value === Number.POSITIVE_INFINITY ? '+Inf' : value === Number.NEGATIVE_INFINITY ? '-Inf' : String(value)
}
