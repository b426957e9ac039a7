/**
 * How a worked solution is written down: the one place that decides what a model learns to say before it answers.
 *
 *   rows     red 1+0+2=3        how many in each row of the grid, and their sum
 *   running  red 1 1 3          how many so far after each row
 *   scan     red 010011122      how many so far after each cell
 *   total    red 3              the count alone
 */
import { type Class, count, type Question } from './questions.ts'
import { type Scene, side } from './scene.ts'

export const workingStyles = ['rows', 'running', 'scan', 'total'] as const
export type WorkingStyle = (typeof workingStyles)[number]

const tally: Record<WorkingStyle, (scene: Scene, of: Class) => string> = {
  rows: (scene, of) => `${perRow(scene, of).join('+')}=${count(scene, of)}`,
  running: (scene, of) => sums(perRow(scene, of)).join(''),
  scan: (scene, of) => sums(scene.map((item) => (item && of.has(item) ? 1 : 0))).join(''),
  total: (scene, of) => String(count(scene, of)),
}

/** A completion that answers with its working, or with an empty one. */
export function solution(question: Question, scene: Scene, style: WorkingStyle, direct: boolean): string {
  const answer = question.answer(scene)
  const lines = [...question.counted.map((of) => `${of.word} ${tally[style](scene, of)}`), question.conclusion(scene)]
  const working = direct ? '' : lines.filter((line) => line !== '').join(', ')
  return `<think>${working}</think><answer>${answer}</answer>`
}

function perRow(scene: Scene, of: Class): number[] {
  return Array.from({ length: side }, (_, row) => count(scene.slice(row * side, (row + 1) * side), of))
}

function sums(values: readonly number[]): number[] {
  let sum = 0
  return values.map((value) => (sum += value))
}
