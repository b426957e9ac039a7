/** Questions about scenes, answered: rows without their pictures. */
import { createRandom, type Random } from '../../core/random.ts'
import { type Kind, kinds, type Question, randomQuestion } from './questions.ts'
import { randomScene, type Scene, sceneKey } from './scene.ts'
import { solution } from './working.ts'

export interface ShapesStyle {
  /** How often each kind is asked, as parts of their sum. */
  mix: Readonly<Record<Kind, number>>
  /** How often a target of each kind answers without working. */
  direct: Readonly<Record<Kind, number>>
}

/** Mostly calculations: what reinforcement trains on, and what is evaluated. */
export const defaultStyle: ShapesStyle = {
  mix: { count: 0.1, compare: 0.1, attribute: 0.1, arithmetic: 0.7 },
  direct: { count: 0, compare: 0, attribute: 0, arithmetic: 0.56 },
}

/**
 * What a model imitates first: seeing and counting above all. Of the few calculations most have no working, so that a
 * model which imitates them guesses, although it could work them out: that is left for reinforcement to bring out.
 */
export const warmStartStyle: ShapesStyle = {
  mix: { count: 0.42, compare: 0.2, attribute: 0.14, arithmetic: 0.24 },
  direct: defaultStyle.direct,
}

export interface ShapesRow {
  scene: Scene
  kind: Kind
  question: string
  answer: string
  target: string
  /** For the jitter of the drawing. */
  random: Random
}

const scenesPerQuestion = 400

/**
 * Row `index` of a stream. It depends on nothing but its arguments and on which (scene, question) keys are in `taken`;
 * its own key is added there, so no two rows that share a `taken` ask the same about the same scene.
 */
export function shapesRow(keys: readonly number[], index: number, style: ShapesStyle, taken: Set<string>): ShapesRow {
  for (let attempt = 0; ; attempt++) {
    const random = createRandom(...keys, index, attempt)
    const kind = weighted(style.mix, random)
    const { question, wanted } = randomQuestion(kind, random)
    const scene = sceneFor(question, wanted, random)
    if (!scene) continue
    const key = `${sceneKey(scene)} ${question.text}`
    if (taken.has(key)) continue
    taken.add(key)
    const target = solution(question, scene, random.unit() < style.direct[kind])
    return { scene, kind, question: question.text, answer: wanted, target, random }
  }
}

function sceneFor(question: Question, wanted: string, random: Random): Scene | null {
  for (let k = 0; k < scenesPerQuestion; k++) {
    const scene = randomScene(random)
    if (question.answer(scene) === wanted) return scene
  }
  return null
}

function weighted(mix: Readonly<Record<Kind, number>>, random: Random): Kind {
  let left = random.unit() * kinds.reduce((sum, kind) => sum + mix[kind], 0)
  for (const kind of kinds) {
    if (left < mix[kind]) return kind
    left -= mix[kind]
  }
  return kinds[0]
}

/**
 * Every kind of sentence that the rows hold, questions and targets, as often as they occur there: text to train a
 * tokenizer on.
 */
export function shapesSentences(style: ShapesStyle = warmStartStyle, rows = 2000): string[] {
  const taken = new Set<string>()
  return Array.from({ length: rows }, (_, k) => shapesRow([sentenceSeed], k, style, taken)).flatMap((row) => [
    row.question,
    row.target,
  ])
}

const sentenceSeed = 0x5eed
