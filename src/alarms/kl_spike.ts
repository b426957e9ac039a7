/** A jump away from the reference: the sign of a step too large, or of a sample that should not be there. */
import { defineAlarm, shown, spike } from './define.ts'

export const klSpike = defineAlarm({
  name: 'kl_spike',
  about: 'The policy has jumped away from the reference.',
  remedy: 'Lower the learning rate, raise algorithm.kl.coef, and look at the completions of this step.',
  thresholds: {
    factor: { default: 10, about: 'Multiple of the median of the steps before.' },
    least: { default: 0.05, about: 'Smaller values are no alarm, in nats per token.' },
    steps: { default: 10, about: 'Steps the median is taken over.' },
  },
  check(view, { factor, least, steps }) {
    const found = spike(view, 'kl', steps, factor, least)
    return found && `kl is ${shown(found.last)}, ${shown(found.last / found.usual)} times its median`
  },
})
