/**
 * Progressive thinking suppression (PTST, Vision-R1, Huang et al. 2025, arXiv 2503.06749): short completions and many of
 * them first, longer and fewer later.  Paper: (4k, 16) -> (8k, 8) -> (16k, 4).
 */
import { texts } from '../core/parameters.ts'
import { stageOf } from './curriculum_stages.ts'
import { defineMethod } from './define.ts'

export const progressiveLength = defineMethod({
  name: 'progressive_length',
  about: 'Raises the length limit in stages while the group shrinks.',
  source: 'Vision-R1 (PTST), Huang et al. 2025, arXiv 2503.06749',
  parameters: { stages: texts(['4096x16', '8192x8', '16384x4'], 'maxNewTokens x groupSize of each stage, in order.') },
  create: ({ stages }) => {
    const limits = stages.map((stage) => {
      const [maxNewTokens, groupSize] = stage.split('x').map(Number)
      return { maxNewTokens, groupSize }
    })
    return {
      curriculum: {
        limits({ step, steps }) {
          const { maxNewTokens, groupSize } =
            limits[
              stageOf(
                step,
                steps,
                limits.map(() => 1),
              )
            ]!
          return { maxNewTokens: maxNewTokens || undefined, groupSize: groupSize || undefined }
        },
      },
    }
  },
})
