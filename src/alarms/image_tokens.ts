/** A sampled image token makes the number of image features wrong in the next pass. */
import { defineAlarm, shown } from './define.ts'

export const imageTokens = defineAlarm({
  name: 'image_tokens',
  about: 'Completions contain image tokens.',
  remedy: 'Forbid them in the sampler: the engine of this project does; a server needs a logit bias.',
  thresholds: { count: { default: 0, about: 'Tokens per step that are accepted.' } },
  check({ steps }, { count }) {
    const found = steps.at(-1)?.['completions/image_tokens'] ?? 0
    return found > count ? `${shown(found)} image tokens were sampled` : null
  },
})
