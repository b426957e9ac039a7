/** Native calls: order, stacks, abort, dispose, and an orderly end of the process. */

import { spawnSync } from 'node:child_process'
import path from 'node:path'
import { Worker } from 'node:worker_threads'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Model } from '../../src/native/model.ts'
import type { ModelSpec } from '../../src/native/types.ts'

const root = path.join(import.meta.dirname, '..', '..')
const spec: ModelSpec = {
  decoder: {
    vocab: 300,
    hidden: 64,
    layers: 2,
    heads: 2,
    kvHeads: 1,
    headDim: 32,
    ffn: 96,
    rmsEps: 1e-6,
    ropeTheta: 1e4,
    qkvBias: true,
    qkNorm: true,
    tiedHead: false,
    mropeSection: null,
  },
  vision: null,
}
const T = 20
const pack = {
  tokens: Int32Array.from({ length: T }, (_, i) => i + 1),
  positionIds: Int32Array.from({ length: 3 * T }, (_, i) => i % T),
  segments: Int32Array.of(0, T, 0, 0, 0, T, 1),
  vision: null,
}
const head = { rows: Int32Array.of(5, 6), targets: Int32Array.of(7, 8), temperature: 1 }
const request = {
  tokens: pack.tokens,
  positionIds: pack.positionIds,
  vision: null,
  nextPosition: T,
  samples: 8,
  stream: 0,
}
const endless = {
  maxNewTokens: 100_000,
  temperature: 1,
  topK: 0,
  topP: 1,
  minP: 0,
  seed: 0,
  stopTokens: new Int32Array(),
  forbiddenTokens: new Int32Array(),
}

let model: Model
beforeAll(async () => {
  model = await Model.create(spec)
  await model.initRandom(1)
})
afterAll(() => model.dispose())

test('calls run in the order they were made', async () => {
  const order: number[] = []
  await Promise.all([
    model.score(pack, head).then(() => order.push(1)),
    model.zeroGrad().then(() => order.push(2)),
    model.readParameter('decoder.norm.weight').then(() => order.push(3)),
  ])
  expect(order).toEqual([1, 2, 3])
})

test('a failed call says what was wrong and where it was called', async () => {
  const namedCaller = () => model.score({ ...pack, tokens: Int32Array.of(1, 2, 999) }, head)
  const error = await namedCaller().catch((e: Error) => e)
  expect((error as Error).message).toBe('pack.tokens[2]: expected a token id in [0,300) but received 999')
  expect((error as Error).stack).toContain('namedCaller')
  expect((error as Error).stack).toContain('jobs.test.ts')
})

test('inputs of a wrong kind are named', async () => {
  // biome-ignore lint/suspicious/noExplicitAny: what a JavaScript caller could pass
  const bad = { ...pack, tokens: [1, 2, 3] } as any
  await expect(model.score(bad, head)).rejects.toThrow('pack.tokens: expected an Int32Array but received 1,2,3')
  await expect(model.score(pack, { ...head, temperature: 0 })).rejects.toThrow('head.temperature')
  await expect(model.score(pack, { ...head, rows: Int32Array.of(1) })).rejects.toThrow('head.targets')
  await expect(model.readParameter('nonsense')).rejects.toThrow(
    'expected the name of a parameter but received nonsense',
  )
  await expect(model.backward(new Float32Array(2))).rejects.toThrow('expected a forward() before it but received none')
})

test('forward and backward apart equal forwardBackward', async () => {
  const dlogp = Float32Array.of(0.5, -1)
  const dentropy = Float32Array.of(0.25, 0)
  await model.zeroGrad()
  await model.forwardBackward(pack, head, { dlogp, dentropy })
  const together = await model.readGradient('decoder.layers.0.q.weight')
  await model.zeroGrad()
  const score = await model.forward(pack, head)
  await model.backward(dlogp, dentropy)
  expect(await model.readGradient('decoder.layers.0.q.weight')).toEqual(together)
  expect(score.logp).toEqual((await model.score(pack, head)).logp)
})

test('an abort stops a running call and the next one works', async () => {
  const controller = new AbortController()
  const running = model.generate([request], endless, { signal: controller.signal })
  setTimeout(() => controller.abort(new Error('enough')), 30)
  await expect(running).rejects.toThrow('enough')
  expect((await model.score(pack, head)).logp.length).toBe(2)
})

test('an error in a progress callback stops the call', async () => {
  const onProgress = () => {
    throw new Error('the callback broke')
  }
  await expect(model.generate([request], endless, { onProgress })).rejects.toThrow('the callback broke')
})

test('the event loop stays free during a call', async () => {
  const controller = new AbortController()
  let ticks = 0
  const timer = setInterval(() => ++ticks === 10 && controller.abort(), 5)
  await expect(model.generate([request], endless, { signal: controller.signal })).rejects.toThrow()
  clearInterval(timer)
  expect(ticks).toBeGreaterThanOrEqual(10)
})

test('dispose during a call lets it end; later calls are refused', async () => {
  const other = await Model.create(spec)
  await other.initRandom(2)
  const running = other.score(pack, head)
  other.dispose()
  expect((await running).logp.length).toBe(2)
  await expect(other.score(pack, head)).rejects.toThrow('expected a live model but received one that was disposed')
})

test('META counts bytes without computing', async () => {
  const measured = await Model.create(spec)
  await measured.initRandom(3)
  const planned = await Model.create(spec, { device: 'meta' })
  for (const m of [planned, measured]) {
    await m.zeroGrad()
    await m.generate([request], { ...endless, maxNewTokens: 9 })
    await m.forwardBackward(pack, head, { dlogp: new Float32Array(2) })
  }
  expect(planned.memory()).toEqual(measured.memory())
  planned.dispose()
  measured.dispose()
})

const child = (body: string) =>
  spawnSync(process.execPath, ['-e', `const native = require('node-gyp-build')(process.cwd()); ${body}`], {
    cwd: root,
    encoding: 'utf8',
    timeout: 30_000,
  })
const startEndless = `
  const spec = ${JSON.stringify(spec)}
  const start = () => {
    const model = new native.Model(spec, 'cpu', 'f32', 'cpu')
    model.initRandom(1)
    const tokens = Int32Array.from({ length: 4 }, (_, i) => i + 1), positionIds = new Int32Array(12)
    const request = { tokens, positionIds, vision: null, nextPosition: 4, samples: 4, stream: 0 }
    const none = new Int32Array(0)
    return model.generate([request], { maxNewTokens: 1e5, temperature: 1, topK: 0, topP: 1, minP: 0, seed: 0, stopTokens: none, forbiddenTokens: none })
  }`

test('process.exit during a call ends at once and cleanly', () => {
  const out = child(`${startEndless}
    process.once('exit', () => native.shutdownAll())
    start().catch(() => {})
    setTimeout(() => process.exit(7), 100)`)
  expect({ status: out.status, signal: out.signal, stderr: out.stderr }).toEqual({
    status: 7,
    signal: null,
    stderr: '',
  })
})

test('an idle addon does not hold the process', () => {
  const out = child(
    `new native.Model(${JSON.stringify(spec)}, 'cpu', 'f32', 'cpu').initRandom(1).then(() => console.log('done'))`,
  )
  expect({ status: out.status, stdout: out.stdout }).toEqual({ status: 0, stdout: 'done\n' })
})

test('worker threads have engines of their own and may be terminated during a call', async () => {
  const workers = Array.from(
    { length: 3 },
    () =>
      new Worker(
        `const native = require('node-gyp-build')(${JSON.stringify(root)}); ${startEndless}
         require('node:worker_threads').parentPort.postMessage('up'); start().catch(() => {})`,
        { eval: true },
      ),
  )
  await Promise.all(workers.map((worker) => new Promise((resolve) => worker.once('message', resolve))))
  await new Promise((resolve) => setTimeout(resolve, 100))
  await Promise.all(workers.map((worker) => worker.terminate()))
  expect((await model.score(pack, head)).logp.length).toBe(2)
})
