/** Adapter folders that are not what they should be. */
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { adapterBase, isAdapterFolder, openAdapter } from '../../src/checkpoint/adapter.ts'
import { openConfig } from '../../src/checkpoint/hf_folder.ts'
import { models } from '../harness/golden_models.ts'

const golden = join(import.meta.dirname, '..', 'fixtures', 'lora', 'adapter')
let dir: string
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'rft-adapter-'))
  cpSync(golden, dir, { recursive: true })
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

const model = () => openConfig(join(models, 'qwen2_5_vl'))
const change = (changes: Record<string, unknown>) => {
  const file = join(dir, 'adapter_config.json')
  writeFileSync(file, JSON.stringify({ ...JSON.parse(readFileSync(file, 'utf8')), ...changes }))
}

test.each([
  ['peft_type', 'IA3', 'expected LORA but received'],
  ['use_dora', true, 'expected false but received true'],
  ['bias', 'all', 'expected none but received'],
  ['modules_to_save', ['lm_head'], 'expected null but received'],
  ['lora_alpha', 'many', 'expected a number from 0 but received'],
  ['lora_dropout', -1, 'expected a number from 0 but received'],
  ['alpha_pattern', { '(a+)+$': 4 }, 'expected names of modules but received'],
])('%s = %j is refused', async (key, value, message) => {
  change({ [key]: value })
  const error = await openAdapter(dir, await model()).catch((e: Error) => e.message)
  expect(error).toContain(key)
  expect(error).toContain(message)
})

test('a foreign regular expression is never run', async () => {
  change({ target_modules: '(a+)+$', exclude_modules: '(.*)*x' })
  expect((await openAdapter(dir, await model())).sources).toHaveLength(42)
})

test('alpha patterns and rank-stabilised scales', async () => {
  change({ use_rslora: true, alpha_pattern: { 'layers.0.self_attn.q_proj': 6 } })
  const { spec } = await openAdapter(dir, await model())
  const scaleOf = (linear: string) => spec.targets.find((t) => t.linear === linear)!.scale
  expect([scaleOf('decoder.layers.0.q'), scaleOf('decoder.layers.0.k')]).toEqual([3, 4])
})

test('an adapter of another model is refused', async () => {
  const text = await openConfig(join(models, 'qwen2'))
  await expect(openAdapter(dir, text)).rejects.toThrow(
    /adapters of linear layers of the model.*belongs to another model/,
  )
})

test('the model folder is found beside the adapter, or its absence is said', async () => {
  expect(await isAdapterFolder(dir)).toBe(true)
  expect(await isAdapterFolder(join(models, 'qwen2'))).toBe(false)
  change({ base_model_name_or_path: join(models, 'qwen2_5_vl') })
  expect(await adapterBase(dir)).toBe(join(models, 'qwen2_5_vl'))
  change({ base_model_name_or_path: 'Qwen/Qwen2.5-VL-3B-Instruct' })
  await expect(adapterBase(dir)).rejects.toThrow('Put the path of a local model folder there')
})
