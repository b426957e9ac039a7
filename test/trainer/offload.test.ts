/** Runs on the emulated CUDA device (native/simt) with parts on the host, against one without. */
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Model } from '../../src/native/model.ts'
import { openRun } from '../../src/trainer/open.ts'
import { trainRun } from '../../src/trainer/train.ts'
import { tinyVlConfig, writeTinyVl } from './tiny_vl.ts'

const emulated = fileURLToPath(new URL('../../build/emulated', import.meta.url))
if (existsSync(emulated)) process.env.RFT_PREBUILD = emulated

let dir: string
beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'rft-offload-'))
  await writeTinyVl(dir)
})
afterAll(() => rmSync(dir, { recursive: true }))

const config = (name: string, offload: { optimizer?: boolean; reference?: boolean }) =>
  tinyVlConfig(dir, join(dir, name), {
    ...{ device: 'cuda', algorithm: { kl: { coef: 0.1 } }, eval: { atEnd: false } },
    rollout: { promptsPerStep: 2, groupSize: 2, maxNewTokens: 4 },
    train: { steps: 2, offload },
  })

/** The weights after a run, and the bytes of its reference then: on the device, and on the host. */
async function train(name: string, offload: { optimizer?: boolean; reference?: boolean }) {
  const run = await openRun(config(name, offload))
  try {
    await trainRun(run)
    const policy = run.policy as Model
    const weights: [string, Float32Array][] = []
    for (const { name } of policy.parameters()) weights.push([name, await policy.readParameter(name)])
    const { live, offloaded } = (run.reference as unknown as Model).memory()
    return { weights, live, host: offloaded }
  } finally {
    run.dispose()
  }
}

/** The emulator is built by g++ on Linux. */
test.skipIf(process.platform !== 'linux')('offloading leaves the bits of a run as they are', async () => {
  const plain = await train('plain', {})
  const offloaded = await train('offloaded', { optimizer: true, reference: true })
  expect(offloaded.host).toBeGreaterThan(0)
  expect(plain.live - offloaded.live).toBe(offloaded.host - plain.host)
  for (const [i, [name, values]] of plain.weights.entries()) expect([name, values]).toEqual(offloaded.weights[i])
})

test.each(['optimizer', 'reference'])('%s is refused where auto means the CPU', async (part) => {
  const { Model } = await import('../../src/native/model.ts')
  const { Optimizer } = await import('../../src/native/optimizer.ts')
  const spec = {
    decoder: {
      ...{ vocab: 16, hidden: 8, layers: 1, heads: 2, kvHeads: 1, headDim: 4, ffn: 12, rmsEps: 1e-6, ropeTheta: 1e4 },
      ...{ qkvBias: true, qkNorm: false, tiedHead: true, mropeSection: null },
    },
    vision: null,
  }
  using model = await Model.create(spec)
  const options = { beta1: 0.9, beta2: 0.99, eps: 1e-8, weightDecay: 0, noDecay: [], offload: true }
  await expect(part === 'optimizer' ? Optimizer.create(model, options) : model.offload()).rejects.toThrow(
    "offload: expected a model on CUDA but received one on the CPU, whose memory is the host's already",
  )
})
