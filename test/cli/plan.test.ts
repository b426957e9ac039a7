/** `rft plan` as a user sees it. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { fixture } from '../harness/fixtures.ts'
import { rft } from './harness.ts'

const model = fixture('models/qwen2_5_vl')

let dir: string
let large: string
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'rft-cli-plan-'))
  large = join(dir, 'large.json')
  const sizes = { hidden_size: 5120, num_hidden_layers: 48, num_attention_heads: 40, num_key_value_heads: 8 }
  const config = { model_type: 'qwen2', ...sizes, intermediate_size: 13824, vocab_size: 152064 }
  writeFileSync(large, JSON.stringify({ ...config, rms_norm_eps: 1e-6, rope_theta: 1e6, tie_word_embeddings: false }))
})
afterAll(() => rmSync(dir, { recursive: true }))

it('shows parts, phases, bars and that a small model fits', async () => {
  const { code, stdout } = await rft(['plan', model, '--prompt-tokens', '60', '--image', '84x84', '--device', 'l4'])
  expect(code).toBe(0)
  expect(stdout).toMatch(
    /^model {3}qwen2_5_vl, [\d,]+ parameters, all trained; weights and activations in bf16, .+, on CUDA$/m,
  )
  expect(stdout).toContain('grpo, 16 prompts x 8 completions of up to 256 tokens')
  expect(stdout).toContain('up to 60 tokens (as given), 16 images of up to 7,056 pixels')
  expect(stdout).toMatch(/^ +rollout +update +optimizer {2}at the peak \(update\)$/m)
  for (const row of ['weights', 'gradients', 'optimizer state', 'activations', 'vision tower', 'KV cache', 'workspace'])
    expect(stdout).toMatch(new RegExp(`^${row} .*\\d %`, 'm'))
  expect(stdout).toMatch(/\d+ % █+/)
  expect(stdout).toMatch(/\nl4 has 22\.5 GiB: fits\nThe CUDA context takes .+\n$/)
})

it('says by how much a large model does not fit, and what would help', async () => {
  const flags = ['--prompt-tokens', '2000', '--group-size', '16', '--max-new-tokens', '512', '--device', 'l40s']
  const { code, stdout } = await rft(['plan', large, ...flags])
  expect(code).toBe(1)
  expect(stdout).toMatch(/l40s has 45 GiB: does not fit, \d+ GiB too much/)
  expect(stdout).toMatch(/^ +\d+ GiB {8}rollout\.promptsPerStep=8$/m)
  expect(stdout).toMatch(/^ +\d+ GiB {8}rollout\.groupSize=8$/m)
  expect(stdout).toContain('All of them:')
  expect(stdout).toContain('No help: model.recompute=true') // the rollout needs most
})

it('gives the same as JSON, in bytes, for this machine', async () => {
  const { code, stdout } = await rft(['plan', model, '--prompt-tokens', '60', '--json'])
  expect(code).toBe(0)
  const plan = JSON.parse(stdout)
  expect(plan).toMatchObject({ place: { name: 'this machine' }, fits: true, remedies: null })
  expect(plan.model).toMatchObject({ device: 'cpu', dtype: 'f32' })
  expect(plan.peak.total).toBe(plan.phases[plan.peak.phase].total)
  const { total, ...parts } = plan.phases.update as Record<string, number>
  expect(Object.values(parts).reduce((a, b) => a + b, 0)).toBe(total)
})

it('reads a run and its data', async () => {
  const file = join(dir, 'run.yaml')
  writeFileSync(join(dir, 'rows.jsonl'), '{"prompt": "What is 2 + 2?", "answer": "4"}\n')
  writeFileSync(
    file,
    `{ run: { dir: r }, model: { path: ${model} }, data: { train: [${dir}/rows.jsonl] }, train: { steps: 1 } }`,
  )
  const { code, stdout } = await rft(['plan', file, '--prompts-per-step', '3', '--remedies', '--device', 'h200'])
  expect(code).toBe(0)
  expect(stdout).toContain('grpo, 3 prompts x 8 completions')
  expect(stdout).toContain('(the longest of the data)')
  expect(stdout).toMatch(/^ +\d[\d.]* [KM]iB {2}fits {2}model\.recompute=true$/m)
})

it.each([
  [
    ['plan', 'nowhere'],
    /nowhere: expected a configuration file, a model folder or a config.json but received "nothing"/,
  ],
  [['plan', model, '--image', '12'], /Expected WIDTHxHEIGHT in pixels/],
  [['plan', model, '--device', 'x9'], /Expected one of b200, h200/],
  [['plan', fixture('models/qwen2'), '--image', '28x28'], /expected no image for a model without a vision tower/],
])('%j is refused', async (argv, message) => {
  const { code, stderr } = await rft(argv)
  expect(code).toBe(2)
  expect(stderr).toMatch(message)
})
