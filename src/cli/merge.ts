/** `rft merge`: an adapter and its model as one model folder, which every engine loads. */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Command } from 'commander'
import { InputError } from '../core/errors.ts'
import { oneOf } from './options.ts'
import type { Context } from './program.ts'

export interface MergeFlags {
  out: string
  base?: string
  dtype: 'f32' | 'bf16'
}

export function addMerge(program: Command, { io }: Context): void {
  program
    .command('merge <adapter>')
    .description('write a model folder with the adapter (peft or a checkpoint of a LoRA run) added to the weights')
    .requiredOption('-o, --out <folder>', 'the folder to write')
    .option('--base <folder>', 'model folder the adapter belongs to; without it as adapter_config.json says')
    .option('--dtype <name>', 'f32 or bf16', oneOf('f32', 'bf16'), 'bf16' as const)
    .addHelpText('after', '\nExample:\n  rft merge runs/lora/checkpoints/step-100 --out models/merged')
    .action(async (adapter: string, flags: MergeFlags) => {
      await merge(adapter, flags)
      io.stdout.write(`${flags.out}\n`)
    })
}

async function merge(adapter: string, { out, base, dtype }: MergeFlags): Promise<void> {
  const { isAdapterFolder } = await import('../checkpoint/adapter.ts')
  const { copySideFiles, planSave } = await import('../checkpoint/hf_folder.ts')
  const { exists } = await import('../checkpoint/files.ts')
  const { openModel } = await import('../trainer/open_model.ts')
  if (!(await isAdapterFolder(adapter)))
    throw new InputError(adapter, 'an adapter folder (adapter_config.json)', 'another folder')
  if (await exists(join(out, 'config.json'))) throw new InputError(out, 'a new folder', 'a model folder')
  using opened = await openModel(adapter, { base, device: 'cpu' })
  await opened.model.mergeAdapters()
  const plan = planSave(opened.checkpoint, dtype === 'f32' ? 'F32' : 'BF16')
  await mkdir(out, { recursive: true })
  await copySideFiles(opened.checkpoint.dir, out)
  await opened.model.save(join(out, 'model.safetensors'), plan.header, plan.sinks)
  await writeFile(join(out, 'config.json'), plan.configText)
}
