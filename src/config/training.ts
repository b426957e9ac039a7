/** `optimizer`, `train`, `eval`, `checkpoint` and `report`: the run around the algorithm. */
import { z } from 'zod'
import { count, fraction, positive, section, text } from './fields.ts'

const beta = () => z.number().min(0).lt(1)

export const optimizerSection = section(
  {
    lr: z.number().min(0).default(1e-6).describe('Peak learning rate.'),
    beta1: beta().default(0.9).describe('Decay of the first moment.'),
    beta2: beta().default(0.999).describe('Decay of the second moment.'),
    eps: positive().default(1e-8).describe('Added to the root of the second moment.'),
    weightDecay: z.number().min(0).default(0).describe('Decoupled weight decay.'),
    noDecay: z
      .array(text())
      .default(['norm', 'bias'])
      .describe('Parameters whose name contains one of these have no weight decay.'),
    state: z
      .enum(['f32', 'bf16', '8bit'])
      .default('f32')
      .describe(
        "How AdamW's two moments are stored: 8, 4 or about 2 bytes a parameter. 8bit = block-wise dynamic quantisation, as adamw_8bit of bitsandbytes; parameters under 4096 values stay in f32.",
      ),
    gradDtype: z
      .enum(['f32', 'bf16'])
      .default('f32')
      .describe('How gradients are stored while packs add to them: 4 or 2 bytes a parameter.'),
    stochasticRounding: z
      .boolean()
      .default(false)
      .describe(
        'Update bf16 weights in place, rounded up or down at random in proportion, in place of an fp32 copy: 4 bytes a parameter less.',
      ),
    maxGradNorm: z.number().min(0).default(1).describe('Global gradient norm limit. 0 = no clipping.'),
    schedule: z.enum(['constant', 'linear', 'cosine']).default('constant').describe('Learning rate after the warm-up.'),
    warmupSteps: count(0).default(0).describe('Steps in which the learning rate rises linearly from 0.'),
    minLrRatio: fraction().default(0).describe('The schedule ends at lr x this.'),
  },
  'AdamW and its schedule.',
).prefault({})

export const trainSection = section(
  {
    steps: count(1).describe('Steps of the run.'),
    batchSize: count(1).default(32).describe('Rows per step (sft; grpo takes rollout.promptsPerStep).'),
    tokensPerMicroBatch: count(1)
      .default(4096)
      .describe('Token budget of one forward pass. Sets memory, not the result: the gradient stays the same.'),
    maxSkippedSteps: count(0)
      .default(10)
      .describe('Steps in a row that may be skipped for a loss or gradient that is not finite.'),
    maxRollbacks: count(0)
      .default(2)
      .describe(
        'After too many skipped steps in a row the run goes back to a checkpoint from before them and on with other rows, this many times; then it fails.',
      ),
    offload: section(
      {
        optimizer: z
          .boolean()
          .default(false)
          .describe(
            "AdamW's state in pinned host memory; pieces visit the GPU in an update. CUDA only; the same bits.",
          ),
        reference: z
          .boolean()
          .default(false)
          .describe(
            "The reference's weights in pinned host memory; they are on the GPU while it scores. CUDA only; the same bits.",
          ),
      },
      'What lives in host memory to leave more of the GPU to the rest.',
    ).prefault({}),
    stallSeconds: z
      .number()
      .min(0)
      .default(1800)
      .describe(
        'The run fails when a call of a step (generation, rewards, update) shows no progress for this long. 0 = never.',
      ),
  },
  'How long and in what portions to train.',
)

export const evalSection = section(
  {
    every: count(0).default(0).describe('Evaluate every this many steps. 0 = not between start and end.'),
    rows: count(0).default(0).describe('Evaluate on the first this many held-out rows. 0 = all.'),
    maxNewTokens: count(1).nullable().default(null).describe('Longest answer. null = rollout.maxNewTokens.'),
    atStart: z.boolean().default(false).describe('Evaluate before the first step.'),
    atEnd: z.boolean().default(true).describe('Evaluate after the last step.'),
  },
  'Greedy evaluation on the held-out rows.',
).prefault({})

export const checkpointSection = section(
  {
    every: count(0).default(0).describe('Save every this many steps. 0 = only at the end.'),
    async: z
      .boolean()
      .default(true)
      .describe(
        'Go on while the disk writes: a step waits only until the bytes are in the file cache of the system. With every: 1 a step waits for the disk all the same, so that a killed run loses the current step and no other.',
      ),
    graceSeconds: z
      .number()
      .min(0)
      .default(15)
      .describe(
        'After SIGINT or SIGTERM the step in progress has this long to finish; then it is given up, unless its update has begun, and the state before it is saved.',
      ),
    keepLast: count(1).default(2).describe('Checkpoints kept, newest first.'),
    keepBest: text()
      .nullable()
      .default(null)
      .describe(
        'Also keep the checkpoint with the best value of this metric, e.g. eval_accuracy (highest wins; lowest for names that end in loss).',
      ),
    dtype: z.enum(['f32', 'bf16']).default('f32').describe('Number format of the saved weights.'),
  },
  'What is saved and kept.',
).prefault({})

export const reportSection = section(
  {
    every: count(0).default(0).describe('Rewrite report.html every this many steps. 0 = only at the end.'),
    samples: count(0).default(24).describe('Groups of completions kept for the report.'),
  },
  'The report of the run.',
).prefault({})
