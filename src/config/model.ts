/** `run` and `model`: where the run lives and which weights it starts from. */
import { z } from 'zod'
import { section, text } from './fields.ts'

export const runSection = section(
  {
    dir: text().describe('Folder of the run: metrics, checkpoints, samples, report. Created when missing.'),
    overwrite: z.boolean().default(false).describe('Start afresh in a folder that already holds a run.'),
  },
  'Where the run lives.',
)

export const modelSection = section(
  {
    path: text().describe('Hugging Face model folder (config.json, safetensors, tokenizer).'),
    reference: text()
      .nullable()
      .default(null)
      .describe('Model folder of the frozen reference of the KL term. null = the weights the run starts from.'),
    dtype: z
      .enum(['auto', 'f32', 'bf16'])
      .default('auto')
      .describe(
        'Number format of weights and activations. auto = bf16 on CUDA, f32 on the CPU, which knows no other: its arithmetic is in f32, so bf16 weights would be a second copy.',
      ),
    freeze: z
      .array(text())
      .default([])
      .describe('Parameters whose name starts with one of these are not trained, e.g. "vision".'),
    recompute: z
      .boolean()
      .default(false)
      .describe('Recompute block activations in backward instead of keeping them: less memory, same result.'),
  },
  'The model to train.',
)
