import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { checkpointPath, listCheckpoints } from '../../src/checkpoint/retention.ts'
import { readMetrics } from '../../src/metrics/jsonl.ts'
import { evaluateRun } from '../../src/trainer/evaluate_run.ts'
import { trainRun } from '../../src/trainer/train.ts'
import { openBigramRun, type RunOptions, temporaryFolder } from './runs.ts'

let folder: ReturnType<typeof temporaryFolder>
beforeEach(() => {
  folder = temporaryFolder()
})
afterEach(() => folder.remove())

const runDir = (name = 'run') => join(folder.dir, name)

async function train(options: RunOptions = {}, name = 'run', stop?: AbortSignal) {
  const { run, policy } = await openBigramRun(runDir(name), options)
  try {
    return { run, policy, result: await trainRun(run, { stop }) }
  } finally {
    run.dispose()
  }
}

/** Metrics without the ones that a clock gave. */
const untimed = (name = 'run') =>
  readMetrics(runDir(name)).map((record) =>
    Object.fromEntries(
      Object.entries(record).filter(([k]) => !/^timing\/|^step_time$|tokens_per_second|peak_rss/.test(k)),
    ),
  )

describe('learning', () => {
  test('GRPO raises the reward, and evaluation sees it', async () => {
    const { result } = await train({ input: { train: { steps: 40 }, eval: { atStart: true } } })
    expect(result.firstEvaluation!.accuracy).toBeLessThan(0.5)
    expect(result.lastEvaluation!.accuracy).toBe(1)
    expect(result.lastEvaluation!.perKind.odd).toEqual({ rows: 3, accuracy: 1, bestConstant: 1 })
    const records = readMetrics(runDir())
    expect(records.filter((r) => r.eval_accuracy !== undefined).map((r) => r.step)).toEqual([0, 40])
    expect(records.at(-2)!.reward).toBeGreaterThan(0.9)
  })

  test('SFT lowers the loss of the targets', async () => {
    await train({ input: { algorithm: { trainer: 'sft' }, train: { steps: 20, batchSize: 8 } } })
    const losses = readMetrics(runDir()).flatMap((r) => r.loss ?? [])
    expect(losses).toHaveLength(20)
    expect(losses[0]).toBeGreaterThan(1.5)
    expect(losses.at(-1)).toBeLessThan(0.2)
  })

  test("with rounded rollout weights the sampler's log-probs are the old ones", async () => {
    for (const weights of ['fp32', 'bf16'] as const) {
      const old: (Float32Array | null)[] = []
      const input: RunOptions['input'] = { rollout: { promptsPerStep: 2, groupSize: 4, maxNewTokens: 4, weights } }
      const { run } = await openBigramRun(runDir(weights), { input: { ...input, train: { steps: 1 } } })
      const { policy } = run
      const forwardBackward = policy.forwardBackward.bind(policy)
      policy.forwardBackward = (pack, head, loss, options) => {
        if ('policy' in loss) old.push(loss.policy.oldLogp)
        return forwardBackward(pack, head, loss, options)
      }
      await trainRun(run)
      run.dispose()
      expect(old.length).toBeGreaterThan(0)
      for (const columns of old) expect(columns).toEqual(weights === 'fp32' ? null : expect.any(Float32Array))
    }
  })

  test('on-policy the ratio is exactly 1 and the trainer sees the log-probs of the sampler', async () => {
    await train({ input: { train: { steps: 3 } } })
    for (const r of readMetrics(runDir()).filter((record) => record.loss !== undefined)) {
      expect(r['sampling/sampling_logp_difference/max']).toBe(0)
      expect(r['clip_ratio/region_mean']).toBe(0)
      expect(r.kl).toBeUndefined()
    }
  })

  test('with several updates per rollout and a reference, ratios move and KL is reported', async () => {
    const algorithm = { kl: { coef: 0.1 }, updatesPerRollout: 2, miniBatches: 2 }
    const { run } = await train({ input: { algorithm, train: { steps: 3 } } })
    const trained = readMetrics(runDir()).filter((r) => r.loss !== undefined)
    expect(trained[0]!.kl).toBeGreaterThan(0)
    expect(trained[0]!['sampling/sampling_logp_difference/max']).toBeGreaterThan(0)
    expect(run.state.optimizerSteps).toBe(12)
  })

  test('the token budget does not change what is learned', async () => {
    await train({ input: { train: { steps: 4, tokensPerMicroBatch: 1 } } }, 'small')
    await train({ input: { train: { steps: 4, tokensPerMicroBatch: 10_000 } } }, 'large')
    for (const [i, record] of untimed('small').entries())
      for (const [name, value] of Object.entries(untimed('large')[i]!))
        if (name !== 'prompt_tokens_saved') expect(record[name]).toBeCloseTo(value, 5)
  })

  test('completions of flat groups are not computed: they have no gradient', async () => {
    const { policy } = await train({
      input: { train: { steps: 2 } },
      reward: { name: 'accuracy', description: '', score: () => 1 },
    })
    expect(policy.trainedRows).toBe(0)
    expect(
      untimed()
        .map((r) => r.frac_reward_zero_std)
        .slice(0, 2),
    ).toEqual([1, 1])
  })

  test('masked truncated completions do not train; when all are, nothing breaks', async () => {
    const rollout = { promptsPerStep: 4, groupSize: 4, maxNewTokens: 1 }
    const { policy } = await train({ input: { algorithm: { maskTruncated: true }, rollout, train: { steps: 2 } } })
    expect(untimed().every((r) => r.loss === undefined || Number.isFinite(r.loss))).toBe(true)
    expect(policy.trainedRows).toBeLessThan(32)
  })
})

describe('resume', () => {
  const input = { train: { steps: 8 }, checkpoint: { every: 3, keepLast: 9 }, algorithm: { kl: { coef: 0.05 } } }

  test('the following metrics equal those of the uninterrupted run bit for bit', async () => {
    await train({ input }, 'whole')
    await train({ input }, 'cut')
    await train({ input, resume: checkpointPath(runDir('cut'), 3) }, 'cut')
    expect(untimed('cut')).toEqual(untimed('whole'))
    const weights = (name: string) => readFileSync(join(checkpointPath(runDir(name), 8), 'model.safetensors'))
    expect(weights('cut').equals(weights('whole'))).toBe(true)
  })

  test('a request to stop ends the run after the step, with a checkpoint to go on from', async () => {
    const stop = new AbortController()
    stop.abort()
    const { result } = await train({ input }, 'stopped', stop.signal)
    expect(result.stopped).toBe(true)
    expect(await listCheckpoints(runDir('stopped'))).toEqual([0])
    await train({ input, resume: result.checkpoint }, 'stopped')
    await train({ input }, 'whole')
    expect(untimed('stopped')).toEqual(untimed('whole'))
  })
})

describe('checkpoints', () => {
  test('the newest stay, and the best one', async () => {
    const checkpoint = { every: 1, keepLast: 2, keepBest: 'loss' }
    const { run } = await train({ input: { train: { steps: 6 }, checkpoint } })
    const kept = new Set([5, 6, run.state.best!.step])
    expect(new Set(await listCheckpoints(runDir()))).toEqual(kept)
  })

  test('the best evaluation is saved when it is measured', async () => {
    const checkpoint = { keepBest: 'eval_accuracy', keepLast: 1 }
    const { run } = await train({ input: { train: { steps: 30 }, eval: { every: 5 }, checkpoint } })
    expect(run.state.best).toMatchObject({ metric: 'eval_accuracy', value: 1 })
    expect(await listCheckpoints(runDir())).toEqual([...new Set([run.state.best!.step, 30])])
  })

  test('a full disk leaves the earlier checkpoint whole and says so', async () => {
    const { run, policy } = await openBigramRun(runDir(), { input: { checkpoint: { every: 2 } } })
    const save = policy.save.bind(policy)
    policy.save = async (file, header, sinks) => {
      if (!file.includes('.tmp-4')) return save(file, header, sinks)
      writeFileSync(file, header)
      throw Object.assign(new Error(`${file}: No space left on device`), { code: 'ENOSPC' })
    }
    await expect(trainRun(run)).rejects.toThrow(
      /checkpoints.step-4: expected .* received .*No space left on device. Earlier checkpoints are unchanged/,
    )
    run.dispose()
    expect(readdirSync(join(runDir(), 'checkpoints'))).toEqual(['step-2'])
    await train({ resume: checkpointPath(runDir(), 2) })
    expect(await listCheckpoints(runDir())).toContain(8)
  })

  test('what a killed save left behind is removed at the start', async () => {
    const stale = join(runDir(), 'checkpoints', '.tmp-7')
    mkdirSync(stale, { recursive: true })
    await train({ input: { train: { steps: 1 } } })
    expect(existsSync(stale)).toBe(false)
  })

  test('a damaged state file is refused by name', async () => {
    const { result } = await train({ input: { train: { steps: 1 } } })
    writeFileSync(join(result.checkpoint, 'trainer_state.json'), '{"version": 2, "step": -1}')
    await expect(train({ resume: result.checkpoint })).rejects.toThrow(
      'trainer_state.json step: expected an integer >= 0 but received -1',
    )
  })

  test('optimizer state of other trained parameters is refused', async () => {
    const { result } = await train({ input: { train: { steps: 1 } } })
    const { run, policy } = await openBigramRun(runDir('other'))
    run.dispose()
    const frozen = policy.parameters().map((p) => ({ ...p, trainable: false }))
    const { restoreCheckpoint } = await import('../../src/checkpoint/run_checkpoint.ts')
    const model = Object.assign(policy, { parameters: () => frozen })
    await expect(restoreCheckpoint(result.checkpoint, model, run.optimizer, [])).rejects.toThrow('model.freeze')
  })
})

describe('values that are not finite', () => {
  const poison: RunOptions['change'] = (policy) => {
    const original = policy.forwardBackward.bind(policy)
    policy.forwardBackward = async (...call) => {
      const output = await original(...call)
      output.policy!.loss = Number.NaN
      return output
    }
  }

  test('a step with a NaN loss changes nothing and is counted', async () => {
    const { run, policy } = await train({ input: { train: { steps: 1 } }, change: poison })
    expect(readMetrics(runDir())[0]).toMatchObject({ skipped_updates: 1, loss: Number.NaN, grad_norm: Number.NaN })
    expect(run.state).toMatchObject({ step: 1, optimizerSteps: 0, skippedInARow: 1 })
    const { policy: untouched } = await openBigramRun(runDir('untouched'))
    expect(policy.values).toEqual(untouched.values)
  })

  test('too many skipped steps in a row end the run with the remedy', async () => {
    const input = { train: { steps: 8, maxSkippedSteps: 2 } }
    const reward = {
      name: 'accuracy',
      description: '',
      score: ({ completion }: { completion: string }) => completion.length,
    }
    await expect(train({ input, reward, change: poison })).rejects.toThrow(
      /step 3: expected at most 2 skipped steps in a row but received 3.*optimizer\.lr/,
    )
  })

  test('a reward that throws everywhere gives no advantage and no crash', async () => {
    const reward = {
      name: 'accuracy',
      description: '',
      score: () => {
        throw new Error('broken')
      },
    }
    await train({ input: { train: { steps: 1 } }, reward })
    expect(readMetrics(runDir())[0]).toMatchObject({ 'rewards/accuracy/failures': 16, loss: 0, reward: 0 })
  })
})

test('a blind evaluation sees prompts without pixels', async () => {
  const { run } = await openBigramRun(runDir())
  const { metrics, rows } = await evaluateRun(run, { blind: true })
  run.dispose()
  expect(rows).toBe(6)
  expect(metrics['eval_completions/mean_length']).toBeGreaterThan(0)
})
