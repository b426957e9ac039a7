/**
 * `choice`: 1 when the chosen letters are those of the ground truth. Letters count where they stand alone, in the final
 * answer only: `B`, `(B)`, `B.`, `B: a cat`, `A, C` and `A and C` name letters; the `A` of "A cat" does not name one
 * unless the whole answer is that letter or begins with it and a sign.
 */

import { flag } from '../core/parameters.ts'
import { defineReward } from './define.ts'
import { extractAnswer } from './extract.ts'

const longestAnswer = 500

export const choice = defineReward({
  name: 'choice',
  description: '1 when the chosen option letters are those of the ground truth, else 0.',
  parameters: {
    partial: flag(false, 'Give the share of right letters when some are missing and none is wrong.'),
  },
  score({ completion, answer }, { partial }) {
    const truth = answer === null ? [] : lettersOf(answer)
    if (truth.length === 0) return null
    const given = lettersOf(completion)
    const right = given.filter((letter) => truth.includes(letter)).length
    if (given.length === 0 || right < given.length) return 0
    return partial ? right / truth.length : right === truth.length ? 1 : 0
  },
})

/** The letters that a text chooses, each once, in order. */
export function lettersOf(text: string): string[] {
  const answer = extractAnswer(text)
    .slice(0, longestAnswer)
    .replace(/\\text\{([^{}]*)\}/g, '$1')
    .replaceAll('$', '')
    .trim()
  const several = /^\(?[A-Z]\)?(?:(?:\s*[,;&/]\s*|\s+and\s+|\s+)\(?[A-Z]\)?)*[.]?$/i.exec(answer)
  if (several)
    return distinct(
      answer
        .replace(/\band\b/gi, ' ')
        .toUpperCase()
        .match(/[A-Z]/g) ?? [],
    )
  const glued = /^[A-Z]{2,6}$/.exec(answer)
  if (glued) return distinct([...answer])
  const first = /^\(([A-Z])\)|^([A-Z])[).:]/i.exec(answer)
  if (first) return [(first[1] ?? first[2])!.toUpperCase()]
  const named = [...answer.matchAll(/(?:answer|option|choice)(?: is)?:? \(?([A-Z])\)?(?![A-Za-z])/g)].at(-1)
  return named ? [named[1]!] : []
}

const distinct = (letters: readonly string[]) => [...new Set(letters)].sort()
