/** `data`: which rows are read, how they become prompts, and what is refused. */
import { z } from 'zod'
import { count, section, text } from './fields.ts'

export const dataSection = section(
  {
    train: z
      .array(text())
      .min(1)
      .describe('Training rows: JSONL, JSON or parquet files, dataset folders, or hub datasets; @split behind a name.'),
    eval: z.array(text()).default([]).describe('Held-out rows, named in the same ways. Empty = no evaluation.'),
    format: z
      .enum(['auto', 'easyr1', 'trl', 'verl', 'vlm-r1', 'swift', 'openrlhf', 'r1-v'])
      .default('auto')
      .describe('Column layout of the rows; auto = by the columns of each row.'),
    imageRoot: text()
      .nullable()
      .default(null)
      .describe('Folder that relative image paths start from. null = the folder of the data file or the dataset.'),
    system: z.string().nullable().default(null).describe('System message put before each prompt that has none.'),
    template: z
      .string()
      .refine((value) => value.includes('{problem}'), { error: 'text that contains {problem}' })
      .nullable()
      .default(null)
      .describe('Text wrapped around the question; {problem} stands for the question.'),
    maxPromptTokens: count(1).default(4096).describe('Longer prompts are an error that names the row.'),
    maxPixels: count(1).nullable().default(null).describe('Largest image after resizing. null = as the model says.'),
    minPixels: count(1).nullable().default(null).describe('Smallest image after resizing. null = as the model says.'),
    maxImagePixels: count(1)
      .default(33_554_432)
      .describe('Image files with more pixels than this are refused before they are decoded.'),
    shuffle: z.boolean().default(true).describe('Visit the training rows in a new seeded order every epoch.'),
  },
  'Training and held-out rows.',
)
