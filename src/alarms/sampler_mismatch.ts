/** Sampler and trainer must agree on log-probs; here they are the same bits unless the sampler is somebody else's. */
import { defineAlarm, meanAbove, shown } from './define.ts'

export const samplerMismatch = defineAlarm({
  name: 'sampler_mismatch',
  about: 'The sampler’s log-probs differ from the trainer’s.',
  remedy:
    'Check that sampler and trainer have the same weights, temperature and image resizing; until then use importance correction.',
  thresholds: {
    nats: { default: 0.05, about: 'Mean absolute difference per token.' },
    steps: { default: 3, about: 'Steps it is averaged over.' },
  },
  check(view, { nats, steps }) {
    if (!view.onPolicy) return null
    const mean = meanAbove(view, 'sampling/sampling_logp_difference/mean', steps, nats)
    return mean === null ? null : `log-probs differ by ${shown(mean)} nats per token`
  },
})
