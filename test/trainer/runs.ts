/** Whole runs of the bigram policy: it learns to begin with "5". */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openCheckpoint } from '../../src/checkpoint/hf_folder.ts'
import { cleanStale } from '../../src/checkpoint/retention.ts'
import { restoreCheckpoint } from '../../src/checkpoint/run_checkpoint.ts'
import { freshState } from '../../src/checkpoint/trainer_state.ts'
import { type ConfigInput, configSchema } from '../../src/config/schema.ts'
import type { Parameters } from '../../src/core/parameters.ts'
import type { Row } from '../../src/core/types.ts'
import type { RewardDefinition } from '../../src/rewards/define.ts'
import { createRewardRunner } from '../../src/rollout/reward_runner.ts'
import type { RowStream, Run } from '../../src/trainer/run.ts'
import { Bigram, EOS, Momentum, noise, writeModelFolder } from './bigram.ts'

export function temporaryFolder(): { dir: string; remove: () => void } {
  const dir = mkdtempSync(join(tmpdir(), 'rft-train-'))
  return { dir, remove: () => rmSync(dir, { recursive: true, force: true }) }
}

const saysFive: RewardDefinition<Parameters> = {
  name: 'accuracy',
  description: '1 for completions that begin with "5"',
  score: ({ completion, answer }) => (completion.split(' ')[0] === answer ? 1 : 0),
}

function row(i: number): Row {
  const columns = { kind: i % 2 ? 'odd' : 'even' }
  return { id: `rows.jsonl:${i}`, messages: [], images: [], answer: '5', target: '5', columns }
}

const stream: RowStream = {
  count: 10,
  fingerprint: 'ten rows',
  find: (id) => row(Number(id.split(':')[1])),
  take: (seen, count) => Array.from({ length: count }, (_, i) => row((seen + i) % 10)),
}

export const settings = (dir: string, input: Partial<ConfigInput> = {}) =>
  configSchema.parse({
    run: { dir },
    model: { path: join(dir, '..', 'model') },
    data: { train: ['rows.jsonl'], eval: ['held.jsonl'] },
    rollout: { promptsPerStep: 4, groupSize: 4, maxNewTokens: 4 },
    optimizer: { lr: 0.5 },
    report: { samples: 2 },
    ...input,
    train: { steps: 8, tokensPerMicroBatch: 24, ...input.train },
  } satisfies ConfigInput)

export interface RunOptions {
  input?: Partial<ConfigInput>
  reward?: RewardDefinition<Parameters>
  /** Checkpoint folder to go on from. */
  resume?: string
  change?: (policy: Bigram) => void
}

/** Opens a run in `dir` on a model folder beside it. */
export async function openBigramRun(dir: string, { input, reward = saysFive, resume, change }: RunOptions = {}) {
  const config = settings(dir, input)
  await writeModelFolder(config.model.path)
  const start = await openCheckpoint(resume ?? config.model.path)
  const policy = new Bigram(0)
  const optimizer = new Momentum(policy)
  const reference = config.algorithm.kl.coef > 0 ? new Bigram(0) : null
  await policy.load(start.sources)
  await reference?.load((await openCheckpoint(config.model.path)).sources)
  await cleanStale(dir)
  const state = resume
    ? await restoreCheckpoint(resume, policy, optimizer, start.sources)
    : freshState(config.seed, stream.fingerprint)
  change?.(policy)
  const rewards = await createRewardRunner([{ reward }])
  const run: Run = {
    ...{ config, source: start, policy, optimizer, reference, rewards, training: stream, state },
    sampling: {
      ...{ maxNewTokens: 4, temperature: 1, topK: 0, topP: 1, minP: 0, seed: config.seed, merge: 1 },
      ...{ stopTokens: Int32Array.of(EOS), forbiddenTokens: Int32Array.of() },
      decode: (tokens) => [...tokens].filter((t) => t !== EOS).join(' '),
    },
    heldOut: Array.from({ length: 6 }, (_, i) => row(i)),
    toPrompt: async (r) => promptOf(r),
    encode: (text) => [...text].map(() => 1),
    toExample: async (r) => ({ prompt: promptOf(r), target: Int32Array.of(5, EOS) }),
    notices: [],
    dispose: () => rewards.dispose(),
  }
  return { run, policy }
}

function promptOf(r: Row) {
  const last = 1 + Math.floor(noise(3, r.id.length + Number(r.id.split(':')[1])) * 4)
  const tokens = Int32Array.of(7, last)
  const positionIds = Int32Array.of(0, 1, 0, 1, 0, 1)
  return { row: r, tokens, positionIds, images: [], imageRows: Int32Array.of(), nextPosition: 2 }
}
