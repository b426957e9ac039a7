/** `lora`: low-rank adapters in place of full training. */
import { z } from 'zod'
import { count, positive, section, text } from './fields.ts'

export const loraSection = section(
  {
    rank: count(1).default(16).describe('Rank of each adapter.'),
    alpha: positive().default(32).describe("An adapter's product is multiplied by alpha / rank."),
    rankStabilised: z.boolean().default(false).describe('Multiply by alpha / sqrt(rank) instead (rsLoRA).'),
    dropout: z
      .number()
      .min(0)
      .lt(1)
      .default(0)
      .describe('Share of the adapter input dropped in training. Above 0, ratios of on-policy tokens are no longer 1.'),
    targets: z
      .union([z.literal('all-linear'), z.array(text()).min(1)])
      .default('all-linear')
      .describe('all-linear, last names of modules such as q_proj, or names such as "decoder.layers.*.q".'),
    vision: z.boolean().default(false).describe('all-linear and last names reach the vision tower too.'),
  },
  'Train low-rank adapters (LoRA) and freeze everything else; the reference of a KL term is then the model without them. null = train the weights.',
)
  .nullable()
  .default(null)
