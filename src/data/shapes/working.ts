/** How a solution is written down: the one place that decides what a model learns to say before it answers. */
import { count, type Question } from './questions.ts'
import type { Scene } from './scene.ts'

/**
 * A completion that answers with its working, or with an empty one. The working counts everything of the sort asked
 * about, not only what the question names, so that each worked row teaches several counts; then it states the result.
 *
 * @example
 * `<think>red 1 green 2 blue 0 yellow 0, 1+2=3</think><answer>3</answer>`
 */
export function solution(question: Question, scene: Scene, direct: boolean): string {
  const tally = question.counted.map((of) => `${of.word} ${count(scene, of)}`).join(' ')
  const working = [tally, question.conclusion(scene)].filter((part) => part !== '').join(', ')
  return `<think>${direct ? '' : working}</think><answer>${question.answer(scene)}</answer>`
}
