/**
 * The configuration of a run: one tree, defaults filled in, unknown keys refused.
 * Each fragment documents its keys; `rft config explain KEY` prints that documentation.
 */
import { z } from 'zod'
import { alarmsSection } from './alarms.ts'
import { algorithmSection, rolloutSection } from './algorithm.ts'
import { crossChecks } from './checks.ts'
import { dataSection } from './data.ts'
import { count, section } from './fields.ts'
import { loraSection } from './lora.ts'
import { methodsSection } from './methods.ts'
import { metricsSection } from './metrics.ts'
import { modelSection, runSection } from './model.ts'
import { applyPreset } from './presets.ts'
import { rewardsSection } from './rewards.ts'
import { checkpointSection, evalSection, optimizerSection, reportSection, trainSection } from './training.ts'

/** The tree without the checks that look at several keys at once. */
export const configTree = section(
  {
    seed: count(0).max(0xffffffff).default(0).describe('Everything random in a run follows from this number.'),
    device: z.enum(['auto', 'cpu', 'cuda']).default('auto').describe('auto = CUDA when there is one, else the CPU.'),
    threads: count(0).max(1024).default(0).describe('CPU threads; results do not depend on it. 0 = all cores.'),
    run: runSection,
    model: modelSection,
    lora: loraSection,
    data: dataSection,
    algorithm: algorithmSection,
    rollout: rolloutSection,
    rewards: rewardsSection,
    optimizer: optimizerSection,
    train: trainSection,
    eval: evalSection,
    checkpoint: checkpointSection,
    report: reportSection,
    alarms: alarmsSection,
    methods: methodsSection,
    metrics: metricsSection,
  },
  'Configuration of a run.',
)

const checkedTree = configTree.superRefine((config, context) => {
  for (const { path, expected, remedy } of crossChecks(config))
    context.addIssue({ code: 'custom', path, message: expected, params: { remedy } })
})

/** A preset fills in what the user left out, before defaults do. */
export const configSchema = z.preprocess(applyPreset, checkedTree) as z.ZodType<Config, ConfigInput>

/** A complete configuration: every key present. */
export type Config = z.output<typeof configTree>
/** What a user writes: only the keys without a default are required. */
export type ConfigInput = z.input<typeof configTree>
export type RewardConfig = Config['rewards'][number]
