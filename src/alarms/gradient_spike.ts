/** A gradient far above the usual one often comes before a loss that is not finite. */
import { defineAlarm, shown, spike } from './define.ts'

export const gradientSpike = defineAlarm({
  name: 'gradient_spike',
  about: 'The gradient norm is far above what it was.',
  remedy: 'Clipping has bounded this step. If it happens again, lower the learning rate and look at the samples.',
  thresholds: {
    factor: { default: 20, about: 'Multiple of the median of the steps before.' },
    least: { default: 1, about: 'Smaller norms are no alarm.' },
    steps: { default: 10, about: 'Steps the median is taken over.' },
  },
  check(view, { factor, least, steps }) {
    const found = spike(view, 'grad_norm', steps, factor, least)
    return found && `grad_norm is ${shown(found.last)}, ${shown(found.last / found.usual)} times its median`
  },
})
