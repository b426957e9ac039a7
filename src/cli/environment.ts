/** What `rft doctor` finds out about a machine. Nothing here throws: a missing part is part of the answer. */
import { readFile } from 'node:fs/promises'
import os from 'node:os'
import type { NativeInfo } from '../native/types.ts'
import { packageVersion } from './version.ts'

export interface Environment {
  package: string
  node: string
  os: string
  cpu: { model: string; cores: number; available: number; features: string[] }
  /** Bytes; `limit` is what the container or process may use, `null` without one. */
  memory: { total: number; free: number; limit: number | null }
  native: ({ loaded: true } & Omit<NativeInfo, 'cuda'>) | { loaded: false; reason: string }
  cuda: NativeInfo['cuda']
}

const interesting = ['avx2', 'fma', 'f16c', 'avx512f', 'avx512_bf16', 'avx512_vnni', 'amx_bf16', 'asimd', 'sve', 'bf16']

/** @param loadInfo of the native addon; throws where it does not load */
export async function inspectEnvironment(loadInfo: () => Promise<NativeInfo> = nativeInfo): Promise<Environment> {
  const native = await loadInfo().catch((error: unknown) => (error instanceof Error ? error.message : String(error)))
  const cpus = os.cpus()
  const constrained = process.constrainedMemory() ?? 0
  const total = os.totalmem()
  const loaded = typeof native !== 'string'
  return {
    package: packageVersion(),
    node: process.versions.node,
    os: `${os.type()} ${os.release()} ${os.arch()}${await distribution()}`,
    cpu: {
      model: cpus[0]?.model.trim() || 'unknown',
      cores: cpus.length,
      available: os.availableParallelism(),
      features: loaded ? native.cpuFeatures : await cpuFlags(),
    },
    memory: { total, free: os.freemem(), limit: constrained > 0 && constrained < total ? constrained : null },
    native: loaded
      ? { loaded, version: native.version, isa: native.isa, cpuFeatures: native.cpuFeatures, threads: native.threads }
      : { loaded, reason: native },
    cuda: loaded
      ? native.cuda
      : { available: false, code: 'not-built', reason: 'the native addon does not load', devices: [] },
  }
}

async function nativeInfo(): Promise<NativeInfo> {
  const { native } = await import('../native/binding.ts')
  return native().info()
}

async function distribution(): Promise<string> {
  const text = await readFile('/etc/os-release', 'utf8').catch(() => '')
  const name = /^PRETTY_NAME="?(.*?)"?$/m.exec(text)?.[1]
  return name ? ` (${name})` : ''
}

async function cpuFlags(): Promise<string[]> {
  const text = await readFile('/proc/cpuinfo', 'utf8').catch(() => '')
  const flags = new Set(/^(?:flags|Features)\s*:\s*(.*)$/m.exec(text)?.[1]?.split(/\s+/))
  return interesting.filter((flag) => flags.has(flag))
}
