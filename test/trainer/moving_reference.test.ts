/** A reference that follows the policy, on the CPU and on the emulated CUDA device (native/simt). */
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
  dir = mkdtempSync(join(tmpdir(), 'rft-reference-'))
  await writeTinyVl(dir)
})
afterAll(() => rmSync(dir, { recursive: true }))

async function parametersOf(model: Model): Promise<Float32Array[]> {
  return Promise.all(model.parameters().map(({ name }) => model.readParameter(name)))
}

type Moving = { reference: 'periodic' } | { reference: 'ema'; syncAlpha: number }

/** One step, after which the reference follows: weights of the policy before and after, and of the reference. */
async function follow(device: 'cpu' | 'cuda', kl: Moving) {
  const run = await openRun(
    tinyVlConfig(dir, join(dir, `${device}-${kl.reference}`), {
      ...{ device, eval: { atEnd: false }, optimizer: { lr: 1e-2 } },
      model: { path: join(dir, 'model'), dtype: 'f32' },
      algorithm: { kl: { coef: 0.1, syncEvery: 1, ...kl }, entropy: { coef: 0.1 } },
      rollout: { promptsPerStep: 2, groupSize: 2, maxNewTokens: 4 },
      train: { steps: 1 },
    }),
  )
  try {
    const before = await parametersOf(run.policy as Model)
    await trainRun(run)
    return {
      before,
      after: await parametersOf(run.policy as Model),
      reference: await parametersOf(run.reference as unknown as Model),
    }
  } finally {
    run.dispose()
  }
}

/** The emulator is built by g++ on Linux. */
const devices = process.platform === 'linux' ? (['cpu', 'cuda'] as const) : (['cpu'] as const)

test.each(devices)('periodic: the reference becomes the policy, bit for bit, on %s', async (device) => {
  const { before, after, reference } = await follow(device, { reference: 'periodic' })
  expect(after).not.toEqual(before)
  expect(reference).toEqual(after)
})

test.each(devices)('ema: the reference goes its share of the way, on %s', async (device) => {
  const { before, after, reference } = await follow(device, { reference: 'ema', syncAlpha: 0.25 })
  expect(after).not.toEqual(before)
  for (const [k, values] of reference.entries())
    for (const [i, value] of values.entries())
      expect(value).toBeCloseTo(0.25 * after[k]![i]! + 0.75 * before[k]![i]!, 6)
})
