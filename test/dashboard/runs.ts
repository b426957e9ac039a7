/** Run folders as a training run leaves them, with numbers that are easy to recognise. */
import { appendFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import sharp from 'sharp'
import { parseConfig, writeResolvedConfig } from '../../src/config/load.ts'
import type { AlarmRecord } from '../../src/metrics/alarms.ts'
import { jsonlSink } from '../../src/metrics/jsonl.ts'
import { samplesWriter } from '../../src/metrics/samples.ts'

export function folderOfRuns(): { dir: string; remove: () => void } {
  const dir = mkdtempSync(join(tmpdir(), 'rft-dashboard-'))
  return { dir, remove: () => rmSync(dir, { recursive: true, force: true }) }
}

export const record = (step: number) => ({
  ...{ step, reward: step / 100, reward_std: 0.2, 'rewards/accuracy/mean': step / 120, 'rewards/format/mean': 0.9 },
  ...{
    loss: step === 7 ? Number.NaN : 0.1,
    grad_norm: 1,
    entropy: 2 - step / 50,
    kl: step / 1000,
    learning_rate: 1e-5,
  },
  ...{ 'completions/mean_length': 20, 'completions/min_length': 5, 'completions/max_length': 40 },
  ...{
    'completions/clipped_ratio': 0.1,
    frac_reward_zero_std: 0.3,
    'clip_ratio/low_mean': 0.01,
    'clip_ratio/high_mean': 0.02,
  },
  ...{ 'timing/rollout': 2, 'timing/update': 1, step_time: 3, tokens_per_second: 1000, peak_rss_mb: 500 },
})

/** Writes the files of a run of `of` steps that stands at `steps`. */
export async function writeRun(dir: string, steps: number, of = 100): Promise<void> {
  mkdirSync(dir, { recursive: true })
  const text = `{run: {dir: r}, model: {path: models/tiny}, data: {train: [a]}, train: {steps: ${of}}}`
  await writeResolvedConfig(dir, parseConfig(text, 'c').config)
  const metrics = jsonlSink(dir)
  for (let step = 1; step <= steps; step++) metrics.step(record(step))
  metrics.step({ step: steps, eval_accuracy: 0.75 })
  void metrics.close()
  const png = await sharp({ create: { width: 8, height: 8, channels: 3, background: 'red' } })
    .png()
    .toBuffer()
  const samples = samplesWriter(dir)
  for (const step of [10, 20])
    samples.write(
      {
        ...{ step, id: 'train.jsonl:1', problem: `What is red at ${step}?`, answer: 'this' },
        completions: [
          { text: '<think>bad</think><answer>that</answer>', ...judged(0, -1) },
          { text: '<think>good</think><answer>this</answer>', ...judged(1, 1) },
          { text: '<script>document.title = "hacked"</script><img src=x onerror="document.title=1">', ...judged(0, 0) },
        ],
      },
      [png],
    )
  samples.close()
}

const judged = (accuracy: number, advantage: number) => ({
  ...{ rewards: { accuracy, format: 1 }, total: accuracy + 1, advantage, finish: 'eos' as const },
})

export function raise(dir: string, alarm: Partial<AlarmRecord>): void {
  const whole = {
    step: 1,
    alarm: 'truncation',
    about: 'About.',
    seen: 'Seen.',
    remedy: 'Remedy.',
    action: 'warn',
    details: ['detail'],
  }
  appendFileSync(join(dir, 'alarms.jsonl'), `${JSON.stringify({ ...whole, ...alarm })}\n`)
}

export function appendStep(dir: string, step: number): void {
  appendFileSync(join(dir, 'metrics.jsonl'), `${JSON.stringify(record(step))}\n`)
}

/** A line cut in the middle, as a kill leaves it. */
export const tear = (dir: string) => appendFileSync(join(dir, 'metrics.jsonl'), '{"step": 999, "rew')

export const rewrite = (dir: string, steps: number[]) =>
  writeFileSync(join(dir, 'metrics.jsonl'), steps.map((step) => `${JSON.stringify(record(step))}\n`).join(''))
