/** The questions about a scene: their words, their answers, and what has to be counted to answer them. */
import type { Random } from '../../core/random.ts'
import { type Colour, colours, type Item, type Scene, type Shape, shapes } from './scene.ts'

export const kinds = ['count', 'compare', 'attribute', 'arithmetic'] as const
export type Kind = (typeof kinds)[number]

/** A set of items that a question counts: `rings`, `red`, `shapes`. */
export interface Class {
  word: string
  has(item: Item): boolean
}

export interface Question {
  kind: Kind
  text: string
  /** Answers it may have; scenes are drawn until each is as common as the others. */
  answers: readonly string[]
  /** Null: the question makes no sense for this scene. */
  answer(scene: Scene): string | null
  /** What a worked solution counts, in order: every colour, every shape, or nothing. */
  counted: readonly Class[]
  /** Last part of the working: the calculation in figures, or the item that was looked for. */
  conclusion(scene: Scene): string
}

export function count(scene: Scene, { has }: Class): number {
  return scene.reduce((sum, item) => sum + (item && has(item) ? 1 : 0), 0)
}

const ofColour = (colour: Colour): Class => ({ word: colour, has: (item) => item.colour === colour })
const ofShape = (shape: Shape): Class => ({ word: `${shape}s`, has: (item) => item.shape === shape })
const everything: Class = { word: 'shapes', has: () => true }
const ofColours = colours.map(ofColour)
const ofShapes = shapes.map(ofShape)
/** What can be asked about together. */
const sorts: readonly (readonly Class[])[] = [ofColours, ofShapes]
/** Two classes of a sort, in either order. */
const pairsOf = (sort: readonly Class[]) => sort.flatMap((a) => sort.filter((b) => b !== a).map((b) => [a, b] as const))
/** "red" alone is an adjective: counts of colours say "red shapes". */
const noun = ({ word }: Class) => ((colours as readonly string[]).includes(word) ? `${word} shapes` : word)
const upTo = (n: number) => Array.from({ length: n + 1 }, (_, k) => String(k))

const counting = (sort: readonly Class[]): Question[] =>
  sort.map((of) => ({
    kind: 'count',
    text: `How many ${noun(of)}?`,
    answers: of === everything ? upTo(7).slice(2) : upTo(4),
    answer: (scene) => String(count(scene, of)),
    counted: sort,
    conclusion: () => '',
  }))

const comparing = (sort: readonly Class[]): Question[] =>
  pairsOf(sort).map(([a, b]) => ({
    kind: 'compare',
    text: `More ${a.word} or ${noun(b)}?`,
    answers: [a.word, b.word, 'same'],
    answer(scene) {
      const [left, right] = [count(scene, a), count(scene, b)]
      if (left === right) return left === 0 ? null : 'same'
      return left > right ? a.word : b.word
    },
    counted: sort,
    conclusion(scene) {
      const [left, right] = [count(scene, a), count(scene, b)]
      return `${left} ${left > right ? 'over' : left < right ? 'under' : 'equals'} ${right}`
    },
  }))

/** Asks for one property of the only item of a class. */
function attribute(text: string, what: keyof Item, answers: readonly string[], { has }: Class): Question {
  const find = (scene: Scene) => {
    const found = scene.filter((item) => item && has(item))
    return found.length === 1 ? found[0]! : null
  }
  return {
    ...{ kind: 'attribute', text, answers },
    answer: (scene) => find(scene)?.[what] ?? null,
    counted: [],
    conclusion(scene) {
      const { colour, shape } = find(scene)!
      return `${colour} ${shape}`
    },
  }
}

/** What is calculated from the counts of three classes. */
interface Operation {
  text(a: string, b: string, c: string): string
  answers: readonly string[]
  value(a: number, b: number, c: number): number
  /** The calculation in figures, step by step, without its result. */
  figures(a: number, b: number, c: number): string
}

/** A sum could be read off a picture in one glance; a product cannot. */
const operations: Operation[] = [
  {
    text: (a, b, c) => `${a} times ${b} plus ${c}`,
    answers: upTo(8).slice(1),
    value: (a, b, c) => a * b + c,
    figures: (a, b, c) => `${a}*${b}+${c}=${a * b}+${c}`,
  },
  {
    text: (a, b, c) => `${a} times ${b} plus twice ${c}`,
    answers: upTo(8).slice(1),
    value: (a, b, c) => a * b + 2 * c,
    figures: (a, b, c) => `${a}*${b}+${c}+${c}=${a * b}+${2 * c}`,
  },
  {
    text: (a, b, c) => `${a} times ${b} minus ${c}`,
    answers: upTo(6),
    value: (a, b, c) => a * b - c,
    figures: (a, b, c) => `${a}*${b}-${c}=${a * b}-${c}`,
  },
]

const calculating = ({ text, answers, value, figures }: Operation, sort: readonly Class[]): Question[] =>
  pairsOf(sort).flatMap(([a, b]) =>
    sort
      .filter((other) => other !== a && other !== b)
      .map((c) => {
        const counts = (scene: Scene) => [count(scene, a), count(scene, b), count(scene, c)] as const
        const result = (scene: Scene) => value(...counts(scene))
        return {
          ...{ kind: 'arithmetic' as const, text: `How much is ${text(a.word, b.word, c.word)}?`, answers },
          answer: (scene) => (result(scene) < 0 ? null : String(result(scene))),
          counted: sort,
          conclusion: (scene) => `${figures(...counts(scene))}=${result(scene)}`,
        }
      }),
  )

/** Per kind, lists that are asked from equally often however long they are, so that shapes count as much as colours. */
export const questions: Readonly<Record<Kind, readonly (readonly Question[])[]>> = {
  count: [[...counting(ofColours), ...counting([everything])], counting(ofShapes)],
  compare: sorts.map(comparing),
  attribute: [
    shapes.map((shape) => attribute(`What colour is the ${shape}?`, 'colour', colours, ofShape(shape))),
    colours.map((colour) => attribute(`What shape is the ${colour} one?`, 'shape', shapes, ofColour(colour))),
  ],
  arithmetic: operations.flatMap((operation) => sorts.map((sort) => calculating(operation, sort))),
}

/** A question of the kind and the answer that it should have. */
export function randomQuestion(kind: Kind, random: Random): { question: Question; wanted: string } {
  const question = random.pick(random.pick(questions[kind]))
  return { question, wanted: random.pick(question.answers) }
}
