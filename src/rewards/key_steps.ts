/**
 * `key_steps`: the share of a row's key steps that the reasoning has (R1-VL's StepRAR without its outcome part; there it
 * counts 0.1, so give it weight 0.1 beside an accuracy reward). A key step is a text, or a list of texts any of which
 * will do; it matches when it stands, ignoring case, in the bodies of the `### Step n:` sections. The step where a key
 * step stands first earns it: rewards of steps add up to the score.
 */

import { choice, text } from '../core/parameters.ts'
import { columnOf } from './columns.ts'
import { defineReward } from './define.ts'
import { linesOf, stepsOf } from './steps.ts'

const mostSteps = 100

export const keySteps = defineReward({
  name: 'key_steps',
  description: 'The share of the key steps of the row that occur in the reasoning.',
  parameters: {
    column: text('key_steps', 'Column with the list of key steps, or a record whose Steps are that list.'),
    within: choice(['steps', 'thinking', 'completion'], 'Where they are looked for.'),
  },
  score(input, { column, within }) {
    const groups = groupsOf(columnOf(input, column))
    if (groups.length === 0) return null
    const { whole, steps } = reasoningOf(input.completion, within)
    const found = groups.filter((group) => group.some((step) => whole.toLowerCase().includes(step)))
    const bodies = steps.map(({ body }) => body.toLowerCase())
    const earned = steps.map(() => 0)
    for (const group of found) {
      const first = bodies.findIndex((body) => group.some((step) => body.includes(step)))
      earned[first < 0 ? steps.length - 1 : first]! += 1 / groups.length
    }
    return {
      score: found.length / groups.length,
      steps: steps.map(({ end }, k) => ({ end, reward: earned[k]! })),
    }
  },
})

/** Where key steps are looked for, and its steps; without `### Step n:` sections each line is one. */
function reasoningOf(completion: string, within: 'steps' | 'thinking' | 'completion') {
  const steps = stepsOf(completion)
  if (within === 'steps') return { whole: steps.map(({ body }) => body).join('\n'), steps }
  const whole =
    within === 'thinking' ? completion.slice(0, Math.max(0, completion.lastIndexOf('</think>'))) : completion
  return { whole, steps: linesOf(whole) }
}

/** Texts in small letters; empty ones would match everything and are left out. */
function groupsOf(value: unknown): string[][] {
  const list = Array.isArray(value) ? value : parsedSteps(value)
  return list.slice(0, mostSteps).flatMap((item) => {
    const alternatives = (Array.isArray(item) ? item : [item]).slice(0, mostSteps)
    const texts = alternatives.filter((step): step is string => typeof step === 'string' && step.trim() !== '')
    return texts.length > 0 ? [texts.map((step) => step.trim().toLowerCase())] : []
  })
}

/** `{"Steps": [..]}`, as a record or as its JSON text. */
function parsedSteps(value: unknown): unknown[] {
  let record = value
  if (typeof value === 'string') {
    try {
      record = JSON.parse(value)
    } catch {
      return []
    }
  }
  if (Array.isArray(record)) return record
  const steps = (record as { Steps?: unknown; steps?: unknown } | null | undefined)?.Steps
  return Array.isArray(steps) ? steps : []
}
