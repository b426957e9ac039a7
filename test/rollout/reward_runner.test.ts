import { setTimeout as wait } from 'node:timers/promises'
import { afterEach, describe, expect, test } from 'vitest'
import type { RewardInput } from '../../src/rewards/define.ts'
import { createRewardRunner, type RewardRunner, type RewardSpec } from '../../src/rollout/reward_runner.ts'

const baseDir = new URL('../fixtures/rewards', import.meta.url).pathname
const open: RewardRunner[] = []

async function runner(...specs: RewardSpec[]) {
  const opened = await createRewardRunner(specs, { baseDir })
  open.push(opened)
  return opened
}

afterEach(() => {
  for (const opened of open.splice(0)) opened.dispose()
})

const input = (completion: string, more: Partial<RewardInput> = {}): RewardInput => ({
  completion,
  completionTokens: 4,
  finish: 'eos',
  messages: [{ role: 'user', content: 'q' }],
  images: [],
  answer: '3',
  columns: {},
  id: 'data.jsonl:1',
  ...more,
})
const clean = { errors: 0, timeouts: 0, invalid: 0, lastMessage: null }

describe('sum of rewards', () => {
  test('weights the parts and leaves null parts out', async () => {
    const { score, names, weights } = await runner({ name: 'accuracy', weight: 2 }, { name: 'format', weight: 0.5 })
    const good = '<think>1+2</think><answer>3</answer>'
    const result = await score([input(good), input('3'), input(good, { answer: null }), input('4')])
    expect(names).toEqual(['accuracy', 'format'])
    expect(weights).toEqual({ accuracy: 2, format: 0.5 })
    expect(result.parts).toEqual({ accuracy: [1, 1, null, 0], format: [1, 0, 1, 0] })
    expect(result.total).toEqual([2.5, 2, 0.5, 0])
    expect(result.failures).toEqual({ accuracy: clean, format: clean })
  })

  test('is null when every part is null', async () => {
    const { score } = await runner({ name: 'accuracy' }, { file: 'mixed.mjs' })
    expect((await score([input('null', { answer: null })])).total).toEqual([null])
  })

  test('an empty batch is fine', async () => {
    const { score } = await runner({ name: 'accuracy' }, { file: 'mixed.mjs' })
    expect((await score([])).total).toEqual([])
  })

  test('a reward value given by a program runs in place, guarded', async () => {
    const values: unknown[] = [1, Number.NaN, 'x', Promise.resolve(4), new Promise(() => {}), null]
    const reward = {
      name: 'own',
      description: '',
      score: ({ completion }: RewardInput) => {
        if (completion === '6') throw new Error('no')
        return values[Number(completion)] as number
      },
    }
    const { score } = await runner({ reward, timeoutSeconds: 0.05 })
    const { parts, failures } = await score(['0', '1', '2', '3', '4', '5', '6'].map((text) => input(text)))
    expect(parts.own).toEqual([1, null, null, 4, null, null, null])
    expect(failures.own).toMatchObject({ errors: 1, timeouts: 1, invalid: 2 })
  })
})

describe('rewards of steps', () => {
  const given = (text: string) => JSON.parse(text) as number
  const judge = { name: 'judge', description: '', score: ({ completion }: RewardInput) => given(completion) }
  test('are weighted and stand beside the total; the score is the mean where none is given', async () => {
    const { score } = await runner({ name: 'accuracy' }, { reward: judge, weight: 2 })
    const steps = [
      { end: 3, reward: 1 },
      { end: 7, reward: 0 },
    ]
    const { total, parts, process } = await score([
      ...[{ steps }, { steps, score: 3 }, { steps: [] }, 4].map((value) => input(JSON.stringify(value))),
    ])
    expect(parts.judge).toEqual([0.5, 3, 0, 4])
    expect(total).toEqual([1, 6, 0, 8])
    const weighted = steps.map(({ end, reward }) => ({ end, reward: 2 * reward }))
    expect(process).toEqual([
      { steps: weighted, score: 1 },
      { steps: weighted, score: 6 },
      { steps: [], score: 0 },
      null,
    ])
  })
  test.each([
    ...['{"steps": 1}', '{"steps": [1]}', '{"steps": [null]}', '{"steps": [{"end": 1.5, "reward": 1}]}'],
    ...[
      '{"steps": [{"end": -1, "reward": 1}]}',
      '{"steps": [{"end": 1, "reward": "1"}]}',
      '{"steps": [], "score": "1"}',
    ],
  ])('%s is invalid', async (text) => {
    const { score } = await runner({ reward: judge })
    const { total, process, failures } = await score([input(text)])
    expect([total, process]).toEqual([[null], [null]])
    expect(failures.judge).toMatchObject({ invalid: 1 })
    expect(failures.judge!.lastMessage).toMatch(/expected a finite number, null or \{ steps/)
  })
  test('come out of the thread of a file', async () => {
    const { score } = await runner({ file: 'steps.mjs' })
    const { parts, process, failures } = await score(['good', 'nan', 'huge'].map((text) => input(text)))
    expect(parts.steps).toEqual([0.25, null, null])
    expect(process).toEqual([{ steps: [{ end: 4, reward: 0.25 }], score: 0.25 }, null, null])
    expect(failures.steps).toMatchObject({ invalid: 2 })
  })
})

describe('reward files', () => {
  test('sees the whole input; a bare function takes the name of its file', async () => {
    const { score, names } = await runner({ file: 'mixed.mjs' }, { file: 'bare.mjs', weight: -1 })
    expect(names).toEqual(['mixed', 'bare'])
    const { total, parts } = await score([input('weight', { columns: { weight: 7 } }), input('slow')])
    expect(parts).toEqual({ mixed: [7, 2], bare: [2, 2] })
    expect(total).toEqual([5, 0])
  })

  test('a throw scores null and is counted with its message', async () => {
    const { score } = await runner({ file: 'mixed.mjs' })
    const { total, failures } = await score([input('abc'), input('throw'), input('ab')])
    expect(total).toEqual([3, null, 2])
    expect(failures.mixed).toEqual({ errors: 1, timeouts: 0, invalid: 0, lastMessage: 'boom' })
    expect((await score([input('throw-odd')])).failures.mixed!.errors).toBe(1)
  })

  test('anything but a finite number or null is invalid', async () => {
    const { score } = await runner({ file: 'mixed.mjs' })
    const odd = ['nan', 'infinity', 'text', 'nothing', 'function', 'bigint']
    const { total, failures } = await score([...odd, 'null', 'a'].map((text) => input(text)))
    expect(total).toEqual([...odd.map(() => null), null, 1])
    expect(failures.mixed).toMatchObject({ errors: 0, timeouts: 0, invalid: odd.length })
    expect(failures.mixed!.lastMessage).toContain('1')
  })

  test('an endless loop is stopped, the others still score, and the next batch works', async () => {
    const { score } = await runner({ file: 'mixed.mjs', timeoutSeconds: 0.3 })
    const started = performance.now()
    const { total, failures } = await score([input('a'), input('hang'), input('abc'), input('slow')])
    expect(performance.now() - started).toBeLessThan(3000)
    expect(total).toEqual([1, null, 3, 2])
    expect(failures.mixed).toEqual({ errors: 0, timeouts: 1, invalid: 0, lastMessage: 'no answer within 0.3 s' })
    expect((await score([input('abcd')])).total).toEqual([4])
  })

  test('a promise that never settles is a time-out', async () => {
    const { score } = await runner({ file: 'mixed.mjs', timeoutSeconds: 0.2 })
    const { total, failures } = await score([input('never'), input('ab')])
    expect(total).toEqual([null, 2])
    expect(failures.mixed!.timeouts).toBe(1)
  })

  test('a batch of hangs costs a few time-outs, not one each', async () => {
    const { score } = await runner({ file: 'mixed.mjs', timeoutSeconds: 0.1 })
    const started = performance.now()
    const { total, failures } = await score(Array.from({ length: 40 }, () => input('hang')))
    expect(performance.now() - started).toBeLessThan(5000)
    expect(total).toEqual(Array(40).fill(null))
    expect(failures.mixed!.errors + failures.mixed!.timeouts).toBe(40)
    expect(failures.mixed!.lastMessage).toContain('not called after 4 failures')
  })

  test('process.exit ends the thread, not the process', async () => {
    const { score } = await runner({ file: 'mixed.mjs' })
    const { total, failures } = await score([input('exit'), input('abc')])
    expect(total).toEqual([null, 3])
    expect(failures.mixed).toMatchObject({ errors: 1, lastMessage: expect.stringContaining('code 3') })
  })

  test('an exception outside a call is the error of the calls under way', async () => {
    const { score } = await runner({ file: 'mixed.mjs' })
    const { total, failures } = await score([input('stray')])
    expect(total).toEqual([null])
    expect(failures.mixed).toMatchObject({ errors: 1, lastMessage: 'stray' })
  })

  test('an exception between batches does not reach the process', async () => {
    const { score } = await runner({ file: 'late_throw.mjs' })
    expect((await score([input('a')])).total).toEqual([1])
    await wait(100)
    expect((await score([input('a')])).total).toEqual([1])
  })

  test('running out of memory is an error, not a crash', { timeout: 60_000 }, async () => {
    const { score } = await runner({ file: 'greedy_memory.mjs', timeoutSeconds: 30 })
    const { total, failures } = await score([input('a')])
    expect(total).toEqual([null])
    expect(failures.greedy_memory!.errors).toBe(1)
  })

  test('columns that cannot be copied to the thread are errors', async () => {
    const { score } = await runner({ file: 'mixed.mjs' })
    const { total, failures } = await score([input('a', { columns: { bad: () => 1 } })])
    expect(total).toEqual([null])
    expect(failures.mixed!.errors).toBe(1)
    expect((await score([input('ab')])).total).toEqual([2])
  })

  test('an abort rejects with its reason and the runner lives on', async () => {
    const { score } = await runner({ file: 'mixed.mjs', timeoutSeconds: 30 })
    const reason = new Error('stop')
    await expect(score([input('a')], AbortSignal.abort(reason))).rejects.toBe(reason)
    const controller = new AbortController()
    const scored = score([input('hang')], controller.signal)
    setTimeout(() => controller.abort(reason), 50)
    await expect(scored).rejects.toBe(reason)
    expect((await score([input('abc')])).total).toEqual([3])
  })

  test('calls that overlap each get their own scores', async () => {
    const { score } = await runner({ file: 'mixed.mjs' })
    const results = await Promise.all(['a', 'slow', 'abc'].map((text) => score([input(text)])))
    expect(results.map(({ total }) => total[0])).toEqual([1, 2, 3])
  })

  test('512 completions score in order', async () => {
    const { score } = await runner({ file: 'mixed.mjs' })
    const { total } = await score(Array.from({ length: 512 }, (_, k) => input('x'.repeat(k % 7))))
    expect(total).toEqual(Array.from({ length: 512 }, (_, k) => k % 7))
  })
})

describe('bad specifications', () => {
  test.each<[string, RewardSpec, RegExp]>([
    [
      'unknown name',
      { name: 'acuracy' },
      /rewards\.0\.name: expected one of accuracy, .*format.* but received "acuracy"/,
    ],
    ['inherited name', { name: 'toString' }, /rewards\.0\.name/],
    ['missing file', { file: 'gone.mjs' }, /expected an existing file/],
    ['other kind of file', { file: '../../../biome.json' }, /\.mjs/],
    ['syntax error', { file: 'bad_syntax.mjs' }, /default export is a reward but received ".*Unexpected/],
    ['no reward', { file: 'no_reward.mjs' }, /default export is a reward but received/],
    ['weight', { name: 'format', weight: Number.NaN }, /rewards\.0\.weight: expected a finite number/],
    ['time-out', { name: 'format', timeoutSeconds: 0 }, /seconds above 0/],
  ])('%s', async (_, spec, message) => {
    await expect(createRewardRunner([spec], { baseDir })).rejects.toThrow(message)
  })

  test('two rewards of one name', async () => {
    await expect(createRewardRunner([{ name: 'format' }, { name: 'format' }])).rejects.toThrow(/different names/)
  })

  test.runIf(!(process.features as { typescript?: unknown }).typescript)(
    'TypeScript on a Node without it',
    async () => {
      const file = new URL('../../src/rewards/format.ts', import.meta.url).pathname
      await expect(createRewardRunner([{ file }])).rejects.toThrow(/does not load TypeScript: use Node 22.18/)
    },
  )
})
